namespace OmniPg.Jobmon;

/// <summary>A job log in memory, for unit tests: what the code under test logs can be read back as <see cref="Jobs"/>.</summary>
/// <remarks>
/// <para>
/// No database, no thread, no I/O. The rules are those of <see cref="JobmonClient"/>: the first end wins, an open run that is disposed has
/// failed, open steps end with their run, single-instance runs exclude each other, arguments are checked alike. Progress of an open step
/// reads as if it had just been written. What is logged inside a run arrives where <see cref="OmniPgJobmonBuilder.AddLogCapture"/> is registered.
/// Thread-safe.
/// </para>
/// <para>What needs a server is refused with <see cref="NotSupportedException"/> that says what to use in its place.</para>
/// </remarks>
public sealed class RecordingJobmon : IJobmon, IDisposable
{
    private readonly RecordingHistory _history;
    private readonly RecordingAdmin _admin;
    private readonly JobmonOptions _options = new();
    private readonly IJobMonitor? _monitor;
    // With the first use: the settings are known then.
    private readonly Lazy<(MemorySink Sink, JobmonRuntime Runtime, JobmonClient Client)> _log;

    /// <summary>Creates an empty record.</summary>
    /// <param name="timeProvider">Clock of all times and of the wait for a single-instance run; null means the system's.</param>
    public RecordingJobmon(TimeProvider? timeProvider = null)
    {
        (_history, _admin) = (new RecordingHistory(this), new RecordingAdmin(this));
        _log = new(() =>
        {
            var sink = new MemorySink(timeProvider ?? TimeProvider.System, new TextGuard(MessageFilter, _options.MaxMessageBytes));
            var runtime = JobmonRuntime.Local(sink, sink.Clock, _options, sink.Texts, sink.Time) with { SqlAnswer = SqlAnswer };
            return (sink, runtime, new JobmonClient(runtime));
        });
    }

    /// <summary>As <see cref="JobmonOptions.DisposeBehavior"/>. Default <see cref="DisposeBehavior.FailUnlessCompleted"/>.</summary>
    public DisposeBehavior DisposeBehavior
    {
        get => _options.DisposeBehavior;
        init => _options.DisposeBehavior = value;
    }

    /// <summary>As <see cref="JobmonOptions.MessageFilter"/>: applied to every text before it is recorded. Default null.</summary>
    public Func<string, string>? MessageFilter
    {
        get => _options.MessageFilter;
        init => _options.MessageFilter = value;
    }

    /// <summary>
    /// As <see cref="JobmonOptions.MaxLogLines"/>: lines of log per run, those of <see cref="IJob.Log"/> and those captured from loggers.
    /// Default 10 000, range 0 to 10 000 000; later lines are counted, and their number is the last line of the run.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is outside the range.</exception>
    public int MaxLogLines
    {
        get => _options.MaxLogLines;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value, nameof(MaxLogLines));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, JobmonOptions.MostLogLines, nameof(MaxLogLines));
            _options.MaxLogLines = value;
        }
    }

    /// <summary>
    /// Answers the SQL of <see cref="RunSqlAsync"/> and <see cref="IJob.SqlStepAsync(string, string, Npgsql.NpgsqlConnection, Npgsql.NpgsqlTransaction?, CancellationToken)"/>: gets the text and returns the rows affected, or
    /// throws what the server would. Default null: the SQL is run for real, on the connection or data source that the code under test gave.
    /// </summary>
    public Func<string, long>? SqlAnswer { get; init; }

    /// <summary>The recorded runs, oldest first, as they stand now; each call takes a new picture that does not change any more.</summary>
    /// <remarks>A run of <see cref="JobOptions.ErrorsOnly"/> appears when the client would write it.</remarks>
    public IReadOnlyList<RecordedJob> Jobs
    {
        get
        {
            Flush();
            lock (Sink.Gate)
                return [.. Sink.Runs.Select(run => run.Snapshot(Sink))];
        }
    }

    /// <inheritdoc/>
    public IJob? Current => Client.Current;

    /// <summary>Reads this record. A regular expression and statistics need a server.</summary>
    public IJobHistory History => _history;

    /// <summary>The monitor that the code under test gets: an own one, because rules are evaluated by a server. Default: none.</summary>
    /// <exception cref="NotSupportedException">None was given.</exception>
    public IJobMonitor Monitor
    {
        get => _monitor ?? throw Unsupported(nameof(Monitor), "set RecordingJobmon.Monitor to an IJobMonitor of the test");
        init => _monitor = value;
    }

    /// <summary>Cancels runs of this record and keeps the texts of levels; the rest needs a server.</summary>
    public IJobmonAdmin Admin => _admin;

    internal MemorySink Sink => _log.Value.Sink;

    private JobmonClient Client => _log.Value.Client;

    /// <inheritdoc/>
    public IJob Start(string jobName, JobOptions? options = null) => Client.Start(jobName, options);

    /// <inheritdoc/>
    public ValueTask<IJob> StartAsync(string jobName, JobOptions? options = null, CancellationToken cancellationToken = default) =>
        Client.StartAsync(jobName, options, cancellationToken);

    /// <inheritdoc/>
    public Task RunAsync(
        string jobName, Func<IJob, CancellationToken, Task> body, JobOptions? options = null, CancellationToken cancellationToken = default) =>
        Client.RunAsync(jobName, body, options, cancellationToken);

    /// <inheritdoc/>
    public Task<T?> RunAsync<T>(
        string jobName, Func<IJob, CancellationToken, Task<T>> body, JobOptions? options = null, CancellationToken cancellationToken = default) =>
        Client.RunAsync(jobName, body, options, cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">Neither <see cref="SqlAnswer"/> nor <see cref="SqlJobOptions.DataSource"/> is set.</exception>
    public async Task<SqlJobResult> RunSqlAsync(
        string jobName, string sql, SqlJobOptions? options = null, CancellationToken cancellationToken = default)
    {
        // Misuse is refused before what this log cannot do.
        ArgumentException.ThrowIfNullOrWhiteSpace(sql);
        OptionsCheck.Require(options ??= new SqlJobOptions());
        if (SqlAnswer is null && options.DataSource is null)
            throw Unsupported(nameof(RunSqlAsync), "set RecordingJobmon.SqlAnswer, or SqlJobOptions.DataSource to run the SQL on a server");
        return await Client.RunSqlAsync(jobName, sql, options, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public JobBuilder Job(string jobName) => new(this, jobName);

    /// <summary>Asks a run to stop: its <see cref="IJob.CancellationToken"/> has fired on return.</summary>
    /// <param name="jobId">Id of the run, see <see cref="RecordedJob.JobId"/>.</param>
    /// <returns><see cref="CancelResult.Requested"/>, <see cref="CancelResult.AlreadyFinished"/> or <see cref="CancelResult.NotFound"/>.</returns>
    public CancelResult Cancel(long jobId) => _admin.Cancel(jobId, reason: null);

    /// <summary>Not available: there is no server whose capabilities could be told.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public ValueTask<JobmonCapabilities> GetCapabilitiesAsync(CancellationToken cancellationToken = default) =>
        throw Unsupported(nameof(GetCapabilitiesAsync), "ask a JobmonClient on a server");

    /// <summary>Ends open runs as failed, as the client does; the record can still be read.</summary>
    public void Dispose() => Client.Dispose();

    /// <inheritdoc cref="Dispose"/>
    public ValueTask DisposeAsync() => Client.DisposeAsync();

    /// <summary>Does what the background of a client does now and then: nobody here waits for it.</summary>
    internal void Flush() => _log.Value.Runtime.Pump.FlushAll();

    /// <summary>Refusal of what only a server can answer.</summary>
    internal static NotSupportedException Unsupported(string member, string instead) =>
        new($"RecordingJobmon has no server to answer '{member}': {instead}.");
}
