using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Settings of one <see cref="IJobmon"/>. Every default is safe for production.</summary>
public sealed class JobmonOptions : ICheckedOptions
{
    internal const int MostLogLines = 10_000_000;

    /// <summary>Connection string of the own connections. Default null: derived from the data source, credentials included.</summary>
    /// <remarks>Pool size, application name, timeouts and enlistment are always replaced by the package's own.</remarks>
    public string? ConnectionString { get; set; }

    /// <summary>Dedicated data source for the own connections, used as it is. Default null.</summary>
    /// <remarks>
    /// Needed only where TLS callbacks are configured on the data source itself; these cannot be copied. It must not be the one the
    /// work runs on: a caller holding all its connections would then block the log. It is never disposed here. Each write brings its
    /// settings and leaves none, so it may go through a pooler; there it needs <c>No Reset On Close=true</c> and no <c>Max Auto Prepare</c>.
    /// </remarks>
    public NpgsqlDataSource? WriterDataSource { get; set; }

    /// <summary>Key of the <see cref="NpgsqlDataSource"/> in the service container. Default null: the unkeyed registration.</summary>
    public string? DataSourceKey { get; set; }

    /// <summary>Schema of the SDK's own job log. Default null: that of extension <c>pg_jobmon</c> if installed, else <c>jobmon</c>.</summary>
    public string? Schema { get; set; }

    /// <summary>Schema of the SDK's side tables. Default <c>omnipg_jobmon</c>.</summary>
    public string SideSchema { get; set; } = "omnipg_jobmon";

    /// <summary>
    /// What a failed log write does. Default <see cref="ErrorPolicy.LogAndContinue"/>. Misuse, a single-instance lock that cannot be decided
    /// and <see cref="IJob.FlushAsync"/> throw either way; dispose never does.
    /// </summary>
    public ErrorPolicy ErrorPolicy { get; set; } = ErrorPolicy.LogAndContinue;

    /// <summary>How an open job or step ends on dispose. Default <see cref="DisposeBehavior.FailUnlessCompleted"/>.</summary>
    public DisposeBehavior DisposeBehavior { get; set; } = DisposeBehavior.FailUnlessCompleted;

    /// <summary>
    /// Shortest time between two writes of the progress and log lines of one job. Default 1 s, range 50 ms to 1 min. So much is lost of
    /// them when the process is killed.
    /// </summary>
    public TimeSpan FlushInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Time between two heartbeats of this process. Default 15 s, range 100 ms to 10 min.</summary>
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Age of the last heartbeat beyond which a run without its lock counts as dead. Default 60 s, at least 3 × <see cref="HeartbeatInterval"/>.</summary>
    public TimeSpan DeadAfter { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Longest wait for a connection to the server. Default 5 s, range 1 s to 5 min.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest wait for one log statement. Default 5 s, range 1 s to 5 min.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest action or message in UTF-8 bytes; longer ones are cut on a character boundary. Default 65 536, range 64 to 16 MiB.</summary>
    public int MaxMessageBytes { get; set; } = 65_536;

    /// <summary>Longest job name in UTF-8 bytes; longer ones are refused. Default 1 000, range 1 to 2 600 (the index row limit).</summary>
    public int MaxJobNameBytes { get; set; } = 1_000;

    /// <summary>Events kept per job while the server is away. Default 1 024, range 16 to 1 000 000.</summary>
    /// <remarks>Beyond it the oldest successful step is dropped, start and end together; job start, job end and failures never are.</remarks>
    public int MaxBufferedEvents { get; set; } = 1_024;

    /// <summary>Folder for a spool file of this process. Default null: what waits for a server that is away waits in memory only.</summary>
    /// <remarks>
    /// With a folder, waiting events also stand in a file (JSON lines, readable by this user only) until the server has them, so they
    /// outlive the process. The next client with the same folder and database that starts a job writes what dead processes left there.
    /// The folder must be on a file system with file locks; it is created with the first event that has to wait.
    /// </remarks>
    public string? SpoolDirectory { get; set; }

    /// <summary>Lines of captured log per job. Default 10 000, range 0 to 10 000 000; later lines are counted and dropped.</summary>
    public int MaxLogLines { get; set; } = 10_000;

    /// <summary>Name of this process in the side tables and in what is said of a dead run. Default null: entry assembly and host, <c>Etl@db7</c>.</summary>
    public string? ClientName { get; set; }

    /// <summary>Applied to every text before it leaves the process, for redaction. Default null. An exception from it replaces the text.</summary>
    public Func<string, string>? MessageFilter { get; set; }

    /// <summary>How other processes know that this one is alive. Default <see cref="LivenessMode.Auto"/>.</summary>
    public LivenessMode Liveness { get; set; } = LivenessMode.Auto;

    /// <summary>Whether start and progress rows are committed without waiting for the WAL flush. Default false; ends always wait.</summary>
    public bool RelaxedStartDurability { get; set; }

    /// <summary>
    /// Whether check, health check and history tell of the jobs of pg_cron, too. Default false. They are only read; nothing is installed.
    /// </summary>
    /// <remarks>Reads the database of this log, unless <see cref="PgCronDataSource"/> or <see cref="PgCronConnectionString"/> names another one.</remarks>
    public bool PgCron { get; set; }

    /// <summary>Data source of the database that <c>cron.database_name</c> names. Default null: that of the log. It is never disposed here.</summary>
    public NpgsqlDataSource? PgCronDataSource { get; set; }

    /// <summary>Connection string of that database, where no <see cref="PgCronDataSource"/> is given. Default null: the log's own.</summary>
    public string? PgCronConnectionString { get; set; }

    /// <summary>
    /// How late a job of pg_cron may start before it is missing. Default 2 min, range 0 to 1 day. A rule with a schedule has a grace of its own.
    /// </summary>
    public TimeSpan PgCronStartGrace { get; set; } = TimeSpan.FromMinutes(2);

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.ConnectionString(ConnectionString);
        check.ConnectionString(PgCronConnectionString);
        check.Defined<ErrorPolicy>(ErrorPolicy);
        check.Defined<DisposeBehavior>(DisposeBehavior);
        check.Defined<LivenessMode>(Liveness);
        check.Range(FlushInterval, TimeSpan.FromMilliseconds(50), TimeSpan.FromMinutes(1));
        check.Range(HeartbeatInterval, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10));
        check.Range(ConnectTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        check.Range(CommandTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        check.Range(MaxMessageBytes, 64, 16 * 1024 * 1024);
        check.Range(MaxJobNameBytes, 1, 2_600);
        check.Range(MaxBufferedEvents, 16, 1_000_000);
        check.Range(MaxLogLines, 0, MostLogLines);
        check.Range(PgCronStartGrace, TimeSpan.Zero, TimeSpan.FromDays(1));
        check.That(PgCron || (PgCronConnectionString is null && PgCronDataSource is null), "PgCronConnectionString and PgCronDataSource mean nothing while PgCron is false.");
        check.That(DeadAfter >= HeartbeatInterval * 3, $"DeadAfter '{DeadAfter}' must be at least three times HeartbeatInterval '{HeartbeatInterval}'.");
        check.Path(SpoolDirectory);
        check.Identifier(Schema, "schema");
        check.Identifier(SideSchema ?? "", "schema", nameof(SideSchema));
    }
}

/// <summary>How a job or step ends that is disposed while still open.</summary>
public enum DisposeBehavior
{
    /// <summary>It failed: a forgotten <c>Complete</c> and an exception look the same, and the safe reading is failure.</summary>
    FailUnlessCompleted,

    /// <summary>It succeeded, also when an exception is on its way: only <c>Fail</c> and <c>RunAsync</c> make a failure.</summary>
    CompleteUnlessFailed,
}

/// <summary>What happens when the job log cannot be written.</summary>
public enum ErrorPolicy
{
    /// <summary>The job goes on: the event is kept in memory, retried in the background and written later with its true time.</summary>
    LogAndContinue,

    /// <summary>The call that wanted to write throws a <see cref="JobmonException"/>.</summary>
    Throw,
}

/// <summary>How other processes can tell that this one is alive.</summary>
public enum LivenessMode
{
    /// <summary>A session advisory lock beside the heartbeat, or the heartbeat alone when a pooler stands between: the server's backend is another one than the driver was told of.</summary>
    Auto,

    /// <summary>Session advisory lock and heartbeat, whatever stands between: right for session pooling, wrong for transaction pooling.</summary>
    Lock,

    /// <summary>Heartbeat only: no session state is used, so no single-instance jobs and no immediate cancellation.</summary>
    Heartbeat,
}
