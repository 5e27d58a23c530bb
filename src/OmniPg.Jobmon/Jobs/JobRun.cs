using System.Diagnostics;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One open run. Parts: steps, ending, SQL, and what other threads call.</summary>
internal sealed partial class JobRun : IJob, IProgressSource, IControlled
{
    private readonly JobmonRuntime _runtime;
    private readonly JobOptions _options;
    private readonly RunValues _values = new();
    private readonly CancellationTokenSource _cancel = new();
    private readonly Activity? _activity;
    private readonly Ambient _scope;
    private readonly InstanceLock? _lock;
    private readonly long _begun;
    private int _state = (int)JobState.Running;
    private volatile bool _disposed;

    /// <summary>Creates the handle without any I/O and makes it the current job of the caller's flow.</summary>
    public JobRun(JobmonRuntime runtime, string jobName, JobOptions options)
    {
        _runtime = runtime;
        _options = options;
        _begun = runtime.Time.GetTimestamp();
        Row = new JobRow(runtime.Texts.Clean(jobName)!) { Withheld = options.Record == RecordMode.ErrorsOnly };
        Parent = options.Parent as JobRun ?? Ambient.Current?.Job;
        _lock = options.SingleInstance ? new InstanceLock(this) : null;
        _activity = JobmonTelemetry.StartJob(jobName);
        _scope = Ambient.Enter(this);
    }

    /// <summary>Raised once, when nothing more will be written for this run by its owner.</summary>
    public event Action<JobRun>? Ended;

    public JobRow Row { get; }

    public JobRun? Parent { get; }

    public JobmonRuntime Runtime => _runtime;

    public long? JobId => Row.JobId;

    public string Name => Row.Name;

    public JobState State => (JobState)Volatile.Read(ref _state);

    public bool Acquired => State != JobState.Skipped;

    public CancellationToken CancellationToken => _cancel.Token;

    public JobOptions Options => _options;

    private AutonomousWriter Writer => _runtime.Writer;

    private DisposeBehavior DisposeBehavior => _options.DisposeBehavior ?? _runtime.Options.DisposeBehavior;

    /// <summary>Takes the lock, if one is wanted, and writes the start.</summary>
    public async ValueTask<IJob> BeginAsync(bool async, CancellationToken cancellationToken)
    {
        var before = _scope.LastException;
        try
        {
            if (_lock is not null && !await TakeLockAsync(async, _lock, cancellationToken).ConfigureAwait(false))
            {
                await SkipAsync(async).ConfigureAwait(false);
                return this;
            }

            await WriteStartAsync(async).ConfigureAwait(false);
            if (_options.WorkConnection is { } work)
                Attach(work);
        }
        catch
        {
            await AbortStartAsync(async).ConfigureAwait(false);
            throw;
        }

        _scope.LastException = before;
        _runtime.Control.Watch(this);
        _runtime.Pump.Add(this);
        JobmonLog.JobStarted(_runtime.Logger, Name, JobId);
        return this;
    }

    public void Attach(NpgsqlConnection workConnection)
    {
        ArgumentNullException.ThrowIfNull(workConnection);
        ObjectDisposedException.ThrowIf(_disposed, this);
        var (pid, backendStart) = WorkBackend.Identify(workConnection, reason => JobmonLog.AttachFailed(_runtime.Logger, Name, reason));
        var attached = new WorkerAttachedEvent(Row, Writer.Mark(), pid, backendStart);
        var before = _scope.LastException;
        SyncCall.Run(Writer.WriteAsync(async: false, Row, [attached], mayThrow: true));
        _scope.LastException = before;
    }

    public void SetResult(string name, string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(value);
        _values.Set(name, value);
    }

    public void Count(string name, long by = 1)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        _values.Count(name, by);
    }

    public void OnCancelRequested()
    {
        if (_cancel.IsCancellationRequested)
            return;
        JobmonLog.CancelRequested(_runtime.Logger, Name, JobId);
        CancelOffThread();
    }

    public void OnInstanceLockLost()
    {
        JobmonLog.InstanceLockLost(_runtime.Logger, Name, JobId);
        CancelOffThread();
    }

    // Callbacks of the token are the user's code: they must not run on the thread that keeps this process alive for others.
    private void CancelOffThread() => _ = _cancel.CancelAsync();

    private async ValueTask<bool> TakeLockAsync(bool async, InstanceLock wanted, CancellationToken cancellationToken)
    {
        var wait = _options.OnConflict == OnConflict.Wait ? _options.WaitTimeout : TimeSpan.Zero;
        if (await _runtime.Control.LockAsync(async, wanted, wait, cancellationToken).ConfigureAwait(false))
            return true;
        return _options.OnConflict == OnConflict.Skip
            ? false
            : throw await _runtime.Control.ExplainConflictAsync(async, wanted).ConfigureAwait(false);
    }

    private ValueTask WriteStartAsync(bool async) => Writer.WriteAsync(async, Row, [StartEvent()], mayThrow: true);

    private JobStartedEvent StartEvent() => new(Row, Writer.Mark())
    {
        Parent = Parent?.Row,
        TraceId = _activity?.TraceId.ToHexString() ?? Activity.Current?.TraceId.ToHexString(),
        SpanId = _activity?.SpanId.ToHexString() ?? Activity.Current?.SpanId.ToHexString(),
        ArgumentsJson = _options.Arguments.Count == 0 ? null : RunValues.Json(_options.Arguments, [], _runtime.Texts),
        Tags = _options.Tags,
        MaxRuntime = _options.MaxRuntime,
    };

    /// <summary>The record of the original for a run that found another one at work.</summary>
    private async ValueTask SkipAsync(bool async)
    {
        Volatile.Write(ref _state, (int)JobState.Skipped);
        Row.Withheld = false;
        _scope.Ended = true;
        var step = new StepRow(Row, null, 1, $"Obtaining advisory lock for job: {Name}");
        var mark = Writer.Mark();
        await Writer.WriteAsync(
            async,
            Row,
            [
                StartEvent(),
                new StepStartedEvent(step, mark),
                new StepEndedEvent(step, mark, AlertLevel.Warning) { Message = "Found concurrent job. Exiting gracefully" },
                new JobEndedEvent(Row, mark, AlertLevel.Warning),
            ],
            mayThrow: true).ConfigureAwait(false);
        JobmonLog.JobSkipped(_runtime.Logger, Name);
        Finish(AlertLevel.Warning, null, "SKIPPED");
    }

    private async ValueTask AbortStartAsync(bool async)
    {
        _scope.Ended = true;
        _disposed = true;
        if (_lock is { Held: true })
            await _runtime.Control.UnlockAsync(async, _lock).ConfigureAwait(false);
        Finish(AlertLevel.Critical, null, "NOT STARTED");
    }
}
