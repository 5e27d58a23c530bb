using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Everything a <see cref="WalArchiver"/> needs to know, from code or from configuration.</summary>
public sealed class WalArchiveOptions : ICheckedOptions
{
    private const long LeastQueue = 16 << 20;

    /// <summary>The cluster's data directory (<c>--data-dir</c>).</summary>
    /// <value>Default <c>.</c>, where PostgreSQL starts an <c>archive_command</c>.</value>
    public string DataDirectory { get; set; } = ".";

    /// <summary>Whether the data directory must hold <c>PG_VERSION</c> (the opposite of <c>--force-data-dir</c>).</summary>
    /// <value>Default <see langword="true"/>.</value>
    public bool RequireDataDirectory { get; set; } = true;

    /// <summary>Directory for delivery states (<c>--state-dir</c>), writable. Needed with two or more required destinations.</summary>
    /// <value>Default <see langword="null"/>.</value>
    public string? StateDirectory { get; set; }

    /// <summary>How thoroughly a file is checked before it counts as archived.</summary>
    /// <value>Default <see cref="WalValidation.Full"/>.</value>
    public WalValidation Validation { get; set; } = WalValidation.Full;

    /// <summary>
    /// Whether the WAL of a server that is newer than this package is archived. Only the first page header of a segment is checked then (cluster, timeline,
    /// address, sizes), the summary says <see cref="WalValidation.Header"/>, and a warning is logged once per archiver. Otherwise such files are refused,
    /// and archiving stands still until the package is updated.
    /// </summary>
    /// <value>Default <see langword="true"/>.</value>
    public bool AllowUnknownVersion { get; set; } = true;

    /// <summary>How archives are tied to the cluster. Needs a readable <c>pg_control</c>; destinations that cannot be read are never bound.</summary>
    /// <value>Default <see cref="ArchiveBinding.Cluster"/>.</value>
    public ArchiveBinding Binding { get; set; }

    /// <summary>Time for one file at one destination.</summary>
    /// <value>Default 5 minutes; must be more than zero.</value>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long an optional destination may hold up the others without progress before it is left behind.</summary>
    /// <value>Default 10 s; must be more than zero.</value>
    public TimeSpan OptionalGrace { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How many destinations are written at the same time (<c>--parallel-jobs</c>). Each further group costs another read and another pass of its codecs.</summary>
    /// <value>Default <see langword="null"/>: all together, fed by one read. At least 1.</value>
    public int? MaxParallelism { get; set; }

    /// <summary>Directory in which rsync destinations gather a file before it is sent (<c>--temp-dir</c>). Other destinations need none.</summary>
    /// <value>Default <see langword="null"/>: the system's (<c>TMPDIR</c>).</value>
    public string? TemporaryDirectory { get; set; }

    /// <summary>The rsync that serves rsync destinations (<c>--rsync-path</c>): a name in <c>PATH</c>, or a path.</summary>
    /// <value>Default <c>rsync</c>.</value>
    public string RsyncProgram { get; set; } = "rsync";

    /// <summary>The most bytes per second that are read of the files (<c>--max-rate</c>), over all that one archiver archives side by side; null reads as fast as it goes. What the server writes for longer stays behind.</summary>
    /// <value>Default <see langword="null"/>; at least 32768.</value>
    public long? MaxRate { get; set; }

    /// <summary>
    /// The most bytes of segments that may wait in <c>pg_wal</c> (<c>--queue-limit</c>). While more do, segments are given up: the server is told that they are archived, and they are nowhere. Nothing behind them can be
    /// restored until the next full backup. For those to whom a server that stands still is worse; pgBackRest's <c>archive-push-queue-max</c>. Needs <see cref="StateDirectory"/>; not in the resident mode.
    /// A history file, of a timeline or a backup, is never given up: while it cannot be archived the server offers nothing behind it.
    /// </summary>
    /// <value>Default <see langword="null"/>: no segment is ever given up. At least 16 MiB.</value>
    public long? QueueLimit { get; set; }

    /// <summary>Where files go; at least one.</summary>
    public IReadOnlyList<WalDestinationOptions> Destinations { get; set; } = [];

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.NotEmpty(DataDirectory);
        check.Defined<WalValidation>(Validation);
        check.Defined<ArchiveBinding>(Binding);
        check.Positive(Timeout);
        check.Positive(OptionalGrace);
        check.AtLeast(MaxParallelism, 1);
        check.NotEmpty(RsyncProgram);
        check.That(TemporaryDirectory is null || Directory.Exists(TemporaryDirectory), $"TemporaryDirectory '{TemporaryDirectory}' does not exist.");
        check.AtLeast(MaxRate, RateLimit.Least);
        check.AtLeast(QueueLimit, LeastQueue);
        check.That(QueueLimit is null || StateDirectory is not null, "QueueLimit needs StateDirectory, to know which segments were given up.");
        check.That(Destinations.Count > 0, "Destinations is empty: name at least one.");
        check.That(
            StateDirectory is not null || Destinations.Count(static d => d.IsRequired && !d.WhenExists) <= 1,
            "Two or more required destinations need StateDirectory, to know after a failure which of them hold the file.");
        check.That(StateDirectory is null || Directory.Exists(StateDirectory), $"StateDirectory '{StateDirectory}' does not exist.");
        // Each names itself by its place, which tells more than its number.
        foreach (ICheckedOptions destination in Destinations)
            destination.Check(check);
    }
}
