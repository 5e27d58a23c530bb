namespace OmniPg.Partman;

/// <summary>Settings of a <see cref="PartmanClient"/>. Every default is safe for production.</summary>
public sealed class PartmanOptions : ICheckedOptions
{
    /// <summary>Where configuration is kept. Default <see cref="PartmanStore.Auto"/>.</summary>
    public PartmanStore Store { get; set; } = PartmanStore.Auto;

    /// <summary>Schema of the package's own tables. Default <c>omnipg_partman</c>.</summary>
    public string Schema { get; set; } = "omnipg_partman";

    /// <summary>
    /// Longest wait for a table lock in one attempt; queries that came meanwhile wait behind it no longer than this. Default 2 s, range 10 ms to 1 min.
    /// </summary>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Attempts to get the locks of one step. Default 10, range 1 to 1000.</summary>
    public int LockAttempts { get; set; } = 10;

    /// <summary>Longest pause between two attempts; the first is a hundred times shorter, each doubles, with a random part. Default 30 s, range 0 to 1 h.</summary>
    public TimeSpan MaxBackoff { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest wait for an answer of the server to a question about its catalog. Default 30 s, range 1 s to 1 h.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Most partitions that one run creates in one set, so that a wrong clock or a row of the year 2097 does not make a flood. Default 500, range 1 to 100,000.
    /// </summary>
    public int MaxPartitionsPerRun { get; set; } = 500;

    /// <summary>
    /// Size of a default partition from which on a new range is checked without a lock before it is attached. Default 1 MiB; a negative number never does it.
    /// </summary>
    public long SafeAttachBytes { get; set; } = 1024 * 1024;

    /// <summary>Whether partitions are detached <c>CONCURRENTLY</c> where that is possible: without a default partition. Default <see langword="true"/>.</summary>
    public bool DetachConcurrently { get; set; } = true;

    /// <summary>
    /// Intervals of a set that the server's clock may move between two runs before retention stops and asks (<see cref="ClockJumpException"/>).
    /// Default 10, range 1 to 1,000,000. A week is always allowed.
    /// </summary>
    public int MaxClockJump { get; set; } = 10;

    /// <summary>Key of the data source in the service container. Default <see langword="null"/>: the unkeyed registration.</summary>
    public string? DataSourceKey { get; set; }

    /// <inheritdoc/>
    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Defined<PartmanStore>(Store);
        check.NotEmpty(Schema);
        check.Identifier(Schema, "schema");
        check.Range<TimeSpan>(LockTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(1));
        check.Range<int>(LockAttempts, 1, 1000);
        check.Range<TimeSpan>(MaxBackoff, TimeSpan.Zero, TimeSpan.FromHours(1));
        check.Range<TimeSpan>(CommandTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        check.Range<int>(MaxPartitionsPerRun, 1, 100_000);
        check.Range<int>(MaxClockJump, 1, 1_000_000);
    }
}

/// <summary>Where the configuration of sets is kept.</summary>
public enum PartmanStore
{
    /// <summary>In the tables of the extension <c>pg_partman</c> where it is installed, else in the package's own.</summary>
    Auto,

    /// <summary>In the tables of the extension <c>pg_partman</c>, version 5.</summary>
    Extension,

    /// <summary>In the package's own tables, whether the extension is there or not.</summary>
    Own,
}
