namespace OmniPg.Extractor;

/// <summary>Settings of an extractor that hold for all its extractions: programs, limits, defaults.</summary>
/// <remarks>Read when the extractor is created; a later change has no effect.</remarks>
public sealed class ExtractorOptions : ICheckedOptions
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

    void ICheckedOptions.Check(OptionsCheck check)
    {
        // pg_dump takes the limit as an int of milliseconds.
        var longest = TimeSpan.FromMilliseconds(int.MaxValue);
        check.That(LockTimeout == Timeout.InfiniteTimeSpan || (LockTimeout >= TimeSpan.FromMilliseconds(1) && LockTimeout <= longest),
            $"LockTimeout is '{LockTimeout}', it must lie between 1 ms and {longest}.");
        check.That(Retries is >= 0 and <= 10, $"Retries is '{Retries}', it must lie between 0 and 10.");
        check.That(!string.IsNullOrWhiteSpace(Encoding), "Encoding is empty, it must name an encoding of PostgreSQL.");
        check.That(Tools is not null, "Tools is null.");
    }
}
