namespace OmniPg.Extractor;

/// <summary>A warning that pg_dump wrote while it ran.</summary>
/// <param name="Kind">What it is about.</param>
/// <param name="Message">Text behind <c>pg_dump: warning:</c>.</param>
/// <param name="Details">Texts behind <c>detail:</c> and <c>hint:</c> that follow it, for example names of tables.</param>
public sealed record PgDumpWarning(PgDumpWarningKind Kind, string Message, IReadOnlyList<string> Details);
