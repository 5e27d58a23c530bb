using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The job log of one database. Thread-safe; create one and keep it.</summary>
/// <remarks>
/// Opens up to three connections of its own (<c>Application Name=OmniPg.Jobmon</c>) when the first job starts: one proves that this
/// process is alive, the others write. The caller's connections and transactions are never touched. Starts two threads with the first
/// job; nothing before.
/// </remarks>
public sealed class JobmonClient : IJobmon, IDisposable
{
    private readonly LogServices? _services;
    private readonly NpgsqlDataSource? _dataSource;
    private readonly NpgsqlDataSource? _ownedSource;
    private readonly JobmonRuntime _runtime;
    private readonly ConcurrentDictionary<JobRun, byte> _open = new();
    private int _disposing;
    private volatile bool _disposed;

    /// <summary>Creates a client. No I/O happens before the first job.</summary>
    /// <param name="dataSource">
    /// Data source of the work. The own connections are derived from it, credentials included even where it hides its password; it is
    /// never disposed here.
    /// </param>
    /// <param name="options">Settings; null means all defaults.</param>
    /// <param name="loggerFactory">For failures of the log itself; null logs nothing.</param>
    /// <param name="timeProvider">Clock for intervals; null means the system's. Recorded times are always the server's.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options that cannot work, all of them at once.</exception>
    public JobmonClient(
        NpgsqlDataSource dataSource, JobmonOptions? options = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
        : this(dataSource, options ?? new JobmonOptions(), loggerFactory, timeProvider, owned: null)
    {
    }

    internal JobmonClient(
        NpgsqlDataSource dataSource, JobmonOptions options, ILoggerFactory? loggerFactory, TimeProvider? timeProvider, NpgsqlDataSource? owned)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        OptionsCheck.Require(options);
        (_dataSource, _ownedSource) = (dataSource, owned);
        _runtime = JobmonRuntime.OnServer(
            dataSource, options, (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("OmniPg.Jobmon"), timeProvider ?? TimeProvider.System);
        _services = new LogServices(dataSource, _runtime);
        _runtime.Pump.WatchProcessEnd();
    }

    /// <summary>A client whose runs go elsewhere than to a server.</summary>
    internal JobmonClient(JobmonRuntime runtime) => _runtime = runtime;

    /// <summary>
    /// Records nothing and needs no server: for code where logging is optional. Bodies run, exceptions pass through, progress can be read
    /// back; no run has an id, and none is in the way of another. For tests see <c>RecordingJobmon</c>.
    /// </summary>
    /// <remarks>
    /// History, monitor, administration and capabilities are refused with <see cref="InvalidOperationException"/>, as is
    /// <see cref="RunSqlAsync"/> without a data source. Disposing it does nothing: it is shared by all.
    /// </remarks>
    public static JobmonClient Null { get; } = new(JobmonRuntime.Nowhere());

    /// <inheritdoc/>
    public IJob? Current => JobScope.CurrentOf(_runtime)?.Job;

    /// <inheritdoc/>
    public IJobHistory History => Services.History;

    /// <inheritdoc/>
    public IJobMonitor Monitor => Services.Monitor;

    /// <inheritdoc/>
    public IJobmonAdmin Admin => Services.Admin;

    private LogServices Services
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _services ?? throw new InvalidOperationException("JobmonClient.Null has no log to read or administer.");
        }
    }

    /// <inheritdoc/>
    public async ValueTask<JobmonCapabilities> GetCapabilitiesAsync(CancellationToken cancellationToken = default) =>
        await Services.GetCapabilitiesAsync(cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public IJob Start(string jobName, JobOptions? options = null) =>
        SyncCall.Run(BeginAsync(async: false, NewRun(jobName, options), CancellationToken.None));

    /// <inheritdoc/>
    public ValueTask<IJob> StartAsync(string jobName, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return BeginAsync(async: true, NewRun(jobName, options), cancellationToken);
    }

    /// <inheritdoc/>
    public JobBuilder Job(string jobName) => new(this, jobName);

    /// <inheritdoc/>
    public Task RunAsync(
        string jobName, Func<IJob, CancellationToken, Task> body, JobOptions? options = null, CancellationToken cancellationToken = default) =>
        RunAsync(jobName, WithResult(body), options, cancellationToken);

    /// <inheritdoc/>
    public async Task<T?> RunAsync<T>(
        string jobName, Func<IJob, CancellationToken, Task<T>> body, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        cancellationToken.ThrowIfCancellationRequested();
        var run = NewRun(jobName, options);
        await BeginAsync(async: true, run, cancellationToken).ConfigureAwait(false);
        return await run.RunAsync(body, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<SqlJobResult> RunSqlAsync(
        string jobName, string sql, SqlJobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(sql);
        cancellationToken.ThrowIfCancellationRequested();
        OptionsCheck.Require(options ??= new SqlJobOptions());
        var source = options.DataSource ?? _dataSource;
        if (source is null && _runtime.SqlAnswer is null)
            throw new InvalidOperationException("JobmonClient.Null has no server to run SQL on.");
        var run = NewRun(jobName, options.Job);
        await BeginAsync(async: true, run, cancellationToken).ConfigureAwait(false);
        return await SqlText.RunJobAsync(run, sql, source, options.CommandTimeout, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc cref="DisposeAsync()"/>
    public void Dispose() => SyncCall.Run(DisposeAsync(async: false));

    /// <summary>Ends open runs as failed, writes what waits, and closes the own connections.</summary>
    public ValueTask DisposeAsync() => DisposeAsync(async: true);

    private async ValueTask DisposeAsync(bool async)
    {
        if (this == Null || Interlocked.Exchange(ref _disposing, 1) != 0)
            return;
        // The order matters. Runs end while the writer still works; the pump stops before the last replay, so that no two of them send for
        // the same run; the control session goes after all writes, because its lock says that this process lives.
        _runtime.Control.BeginLeave();
        foreach (var (run, _) in _open)
            await run.AbandonAsync(async).ConfigureAwait(false);
        _disposed = true;
        _runtime.Pump.Dispose();
        _runtime.Writer.Replay();
        _runtime.Housekeeping?.Finish();
        _runtime.Control.Dispose();
        _runtime.Writer.Leave();
        await _runtime.Sink.CloseAsync(async).ConfigureAwait(false);
        if (_services is not null)
            await _services.CloseAsync(async).ConfigureAwait(false);
        if (_ownedSource is not null)
            await SyncCall.CloseAsync(async, _ownedSource).ConfigureAwait(false);
    }

    private static Func<IJob, CancellationToken, Task<bool>> WithResult(Func<IJob, CancellationToken, Task> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return async (job, token) =>
        {
            await body(job, token).ConfigureAwait(false);
            return true;
        };
    }

    /// <summary>In the caller's own frame, because the new run becomes the current one of its flow.</summary>
    private JobRun NewRun(string jobName, JobOptions? options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        var limit = _runtime.Options.MaxJobNameBytes;
        if (Encoding.UTF8.GetByteCount(jobName) is var bytes && bytes > limit)
            throw new ArgumentException($"The job name has '{bytes}' bytes, allowed are '{limit}'.", nameof(jobName));
        options = OptionsCheck.Require(options ?? new JobOptions()).Copy();
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new JobRun(_runtime, jobName, options);
    }

    private async ValueTask<IJob> BeginAsync(bool async, JobRun run, CancellationToken cancellationToken)
    {
        run.Ended += Forget;
        // Before its first write: a dispose in between has to find it.
        _open[run] = 0;
        await run.BeginAsync(async, cancellationToken).ConfigureAwait(false);
        _runtime.Housekeeping?.ComeBy();
        return run;
    }

    private void Forget(JobRun run) => _open.TryRemove(run, out _);
}
