using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The job log of one database. Thread-safe; create one and keep it.</summary>
/// <remarks>
/// Opens up to three connections of its own (<c>Application Name=OmniPg.Jobmon</c>) when the first job starts: one proves that this
/// process is alive, the others write. The caller's connections and transactions are never touched. Starts two threads with the first
/// job; nothing before.
/// </remarks>
public sealed partial class JobmonClient : IJobmon, IDisposable
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly NpgsqlDataSource? _ownedSource;
    private readonly JobmonOptions _options;
    private readonly JobmonRuntime _runtime;
    private readonly ConcurrentDictionary<JobRun, byte> _open = new();
    private readonly Housekeeping _housekeeping;
    private int _disposing;
    private volatile bool _disposed;

    private JobmonClient(NpgsqlDataSource dataSource, JobmonOptions options, ILoggerFactory loggers, TimeProvider time, NpgsqlDataSource? owned)
    {
        (_dataSource, _ownedSource) = (dataSource, owned);
        _options = options;
        _runtime = JobmonRuntime.Create(dataSource, options, loggers.CreateLogger("OmniPg.Jobmon"), time);
        _housekeeping = new Housekeeping(_runtime);
        ProcessEnd.Watch(_runtime.Pump);
    }

    /// <summary>Creates a client. No I/O happens before the first job.</summary>
    /// <param name="dataSource">
    /// Data source of the work. The own connections are derived from it, credentials included even where it hides its password; it is
    /// never disposed here.
    /// </param>
    /// <param name="options">Settings; null means all defaults.</param>
    /// <param name="loggerFactory">For failures of the log itself; null logs nothing.</param>
    /// <param name="timeProvider">Clock for intervals; null means the system's. Recorded times are always the server's.</param>
    /// <exception cref="ArgumentException">Options out of range; the message lists all of them.</exception>
    public static JobmonClient Create(
        NpgsqlDataSource dataSource, JobmonOptions? options = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null) =>
        Create(dataSource, options ?? new JobmonOptions(), loggerFactory, timeProvider, owned: null);

    internal static JobmonClient Create(
        NpgsqlDataSource dataSource, JobmonOptions options, ILoggerFactory? loggerFactory, TimeProvider? timeProvider, NpgsqlDataSource? owned)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        var failures = JobmonOptionsValidator.Check(options);
        if (failures.Count > 0)
            throw new ArgumentException(string.Join(' ', failures), nameof(options));
        return new JobmonClient(dataSource, options, loggerFactory ?? NullLoggerFactory.Instance, timeProvider ?? TimeProvider.System, owned);
    }

    /// <inheritdoc/>
    public IJob? Current => Ambient.CurrentOf(_runtime)?.Job;

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

    /// <inheritdoc cref="DisposeAsync()"/>
    public void Dispose() => SyncCall.Run(DisposeAsync(async: false));

    /// <summary>Ends open runs as failed, writes what waits, and closes the own connections.</summary>
    public ValueTask DisposeAsync() => DisposeAsync(async: true);

    private async ValueTask DisposeAsync(bool async)
    {
        if (Interlocked.Exchange(ref _disposing, 1) != 0)
            return;
        // The order matters. Runs end while the writer still works; the pump stops before the last replay, so that no two of them send for
        // the same run; the control session goes after all writes, because its lock says that this process lives.
        _runtime.Control.BeginLeave();
        foreach (var (run, _) in _open)
            await run.AbandonAsync(async).ConfigureAwait(false);
        _disposed = true;
        ProcessEnd.Forget(_runtime.Pump);
        _runtime.Pump.Dispose();
        _runtime.Writer.Replay();
        _housekeeping.Finish();
        _runtime.Control.Dispose();
        LeaveBacklog();
        foreach (var owned in new IAsyncDisposable?[] { _runtime.Connections, _ownServicesSource, _ownCronSource, _ownedSource })
        {
            if (async && owned is not null)
                await owned.DisposeAsync().ConfigureAwait(false);
            else
                (owned as IDisposable)?.Dispose();
        }
    }

    private void LeaveBacklog()
    {
        var waiting = _runtime.Writer.Backlogged().ToList();
        // What waits belongs to the next process that finds the file.
        _runtime.Spool?.Clear(() => waiting.Count == 0);
        _runtime.Spool?.Dispose();
        var spooled = waiting.Count(e => e.Spooled);
        if (spooled > 0)
            JobmonLog.SpoolLeft(_runtime.Logger, spooled, _runtime.Spool!.Path);
        if (waiting.Count > spooled)
            JobmonLog.EventsLost(_runtime.Logger, waiting.Count - spooled, _runtime.Writer.LastTrouble ?? "they came after the last write.");
    }

    /// <summary>In the caller's own frame, because the new run becomes the current one of its flow.</summary>
    private JobRun NewRun(string jobName, JobOptions? options)
    {
        JobNameRule.Check(jobName, _options.MaxJobNameBytes);
        options ??= new JobOptions();
        JobOptionsValidator.Check(options);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new JobRun(_runtime, jobName, options);
    }

    private async ValueTask<IJob> BeginAsync(bool async, JobRun run, CancellationToken cancellationToken)
    {
        run.Ended += Forget;
        // Before its first write: a dispose in between has to find it.
        _open[run] = 0;
        await run.BeginAsync(async, cancellationToken).ConfigureAwait(false);
        _housekeeping.ComeBy();
        return run;
    }

    private void Forget(JobRun run) => _open.TryRemove(run, out _);
}
