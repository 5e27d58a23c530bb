namespace OmniPg.Extractor;

/// <summary>Where a schema was read from: versions that can change its text. Versions are <c>major.minor</c>, null when unknown.</summary>
/// <param name="Server">Version of the dumped server.</param>
/// <param name="PgDump">Version of the pg_dump that read it.</param>
/// <param name="ArchiveVersion">Version of the archive format.</param>
/// <param name="Encoding">Encoding of the dump, for example <c>UTF8</c>.</param>
/// <param name="Extensions">Installed extensions with their versions; empty when they could not be asked for.</param>
public sealed record SchemaEnvironment(
    string? Server,
    string? PgDump,
    string? ArchiveVersion,
    string? Encoding,
    IReadOnlyDictionary<string, string> Extensions)
{
    /// <summary>
    /// Settings of the session that wrote the text, where a replay must know them: <c>lc_monetary</c> of a dump by this package, and
    /// <c>standard_conforming_strings = off</c> of an archive with rows as INSERT. Empty, the default, when none matters.
    /// </summary>
    public IReadOnlyDictionary<string, string> Session { get; init; } = new Dictionary<string, string>();
}
