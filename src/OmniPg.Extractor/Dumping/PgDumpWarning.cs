namespace OmniPg.Extractor;

/// <summary>A warning that pg_dump wrote while it ran, or that a look at the server gave.</summary>
/// <param name="Kind">What it is about.</param>
/// <param name="Message">Text, as behind <c>pg_dump: warning:</c>.</param>
/// <param name="Details">Texts behind <c>detail:</c> and <c>hint:</c> that follow it, for example names of tables.</param>
public sealed record PgDumpWarning(PgDumpWarningKind Kind, string Message, IReadOnlyList<string> Details)
{
    /// <summary>Whether objects, or parts of them, are missing in the dump.</summary>
    public bool MeansMissing => Kind is PgDumpWarningKind.SubscriptionsSkipped or PgDumpWarningKind.UserMappingsHidden;

    internal static IReadOnlyList<string> Texts(IEnumerable<PgDumpWarning> warnings) => [.. warnings.Select(static w => string.Join(' ', w.Details.Prepend(w.Message)))];
}
