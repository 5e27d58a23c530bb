namespace OmniPg.Extractor;

/// <summary>A client program of PostgreSQL that was found.</summary>
/// <param name="Path">Full path.</param>
/// <param name="Version">Its version.</param>
public sealed record PgTool(string Path, PgServerVersion Version);
