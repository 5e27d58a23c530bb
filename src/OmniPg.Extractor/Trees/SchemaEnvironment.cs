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
    IReadOnlyDictionary<string, string> Extensions);
