namespace OmniPg.Extractor;

/// <summary>Settings of an extractor that hold for all its extractions: programs, limits, defaults.</summary>
/// <remarks>Read when the extractor is created; a later change has no effect.</remarks>
public sealed class ExtractorOptions
{
    /// <summary>Where pg_dump and pg_dumpall are. Default: <c>PATH</c>, then the usual places.</summary>
    public PgToolOptions Tools { get; set; } = new();

    /// <summary>How long pg_dump waits for a locked table. Default 30 s; 1 ms to 24 days.</summary>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a dump starts anew that lost a race with concurrent DDL. Default 1; 0 to 10.</summary>
    public int Retries { get; set; } = 1;

    /// <summary>Encoding of the dump, as PostgreSQL names it. Default <c>UTF8</c>, so that files do not depend on the database's encoding.</summary>
    public string Encoding { get; set; } = "UTF8";

    /// <summary>Service of the connection service file (<c>--service</c>). Default: none.</summary>
    public string? Service { get; set; }

    /// <summary>Password file (<c>--pgpass</c>). Default: that of libpq.</summary>
    public string? PassFile { get; set; }
}
