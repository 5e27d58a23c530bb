using System.Diagnostics;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One open run: its handle for the caller, and what the background threads see of it.</summary>
internal sealed partial class JobRun : IJob
{
    private readonly RunValues _values = new();
    private readonly RunFlusher _flusher;
    private readonly Activity? _activity;
    private readonly JobScope _scope;
    private readonly InstanceLock? _lock;
    private readonly AttachedWork _work;
    private readonly JobRow? _parent;
    private readonly long _begun;
    private int _state = (int)JobState.Running;
    private int _start = StartOpen;
    private volatile bool _disposed;

    /// <summary>Creates the handle without any I/O and makes it the current job of the caller's flow.</summary>
    public JobRun(JobmonRuntime runtime, string jobName, JobOptions options)
    {
        (Runtime, Options, _begun) = (runtime, options, runtime.Time.GetTimestamp());
        Row = new JobRow(runtime.Texts.Clean(jobName)!) { Withheld = options.ErrorsOnly };
        Control = new RunControl(Row, options, runtime.Logger);
        _flusher = new RunFlusher(Row, Steps, runtime);
        _work = new AttachedWork(this);
        _parent = JobScope.ParentOf(options.Parent, runtime);
        _lock = options.SingleInstance ? new InstanceLock(Control) : null;
        _activity = JobmonTelemetry.StartJob(jobName);
        // Last: what throws before leaves the caller's flow as it was.
        _scope = new JobScope(this);
    }

    /// <summary>Raised once, when nothing more will be written for this run by its owner.</summary>
    public event Action<JobRun>? Ended;

    public JobRow Row { get; }

    public JobmonRuntime Runtime { get; }

    public JobOptions Options { get; }

    public OpenSteps Steps { get; } = new();

    public RunControl Control { get; }

    public long? JobId => Row.JobId;

    public string Name => Row.Name;

    public JobState State => (JobState)Volatile.Read(ref _state);

    public bool Acquired => State != JobState.Skipped;

    public CancellationToken CancellationToken => Control.Token;

    private AutonomousWriter Writer => Runtime.Writer;

    private bool IsLong => Options.RecordWhenLongerThan is { } limit && Runtime.Time.GetElapsedTime(_begun) > limit;

    public IStep Step(string action) => SyncCall.Run(NewStep(action, null).BeginAsync(async: false));

    public ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return NewStep(action, null).BeginAsync(async: true);
    }

    public Task<T> StepAsync<T>(string action, Func<IStep, CancellationToken, Task<T>> body, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        cancellationToken.ThrowIfCancellationRequested();
        return NewStep(action, null).RunAsync(body, cancellationToken);
    }

    public Task<SqlStepResult> SqlStepAsync(
        string action, string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(sql);
        ArgumentNullException.ThrowIfNull(connection);
        return SqlStepAsync(action, sql, token => SqlText.RunStepAsync(sql, connection, transaction, token), cancellationToken);
    }

    public Task<SqlStepResult> SqlStepAsync(string action, string sql, CancellationToken cancellationToken = default) =>
        SqlStepAsync(action, sql, _work.Connection ?? throw new InvalidOperationException(
            $"Job '{Name}' has no open work connection: attach one, or name the connection of this step."), null, cancellationToken);

    /// <summary>The same for a SQL text that <paramref name="send"/> brings to its server.</summary>
    public Task<SqlStepResult> SqlStepAsync(string action, string sql, Func<CancellationToken, Task<long>> send, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return NewStep(action, null).RunSqlAsync(sql, send, cancellationToken);
    }

    /// <summary>Creates the handle without any I/O and makes it the current scope of the caller's flow.</summary>
    public StepRun NewStep(string action, StepRun? parent)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (State != JobState.Running)
            throw new InvalidOperationException($"Job '{Name}' has ended as '{State}'; a step cannot be added.");
        // Should the run end at this very moment, its end may miss the step: the server then has it open until its own handle ends it.
        var step = new StepRun(this, parent, Steps.NextOrdinal(), action);
        Steps.Add(step);
        return step;
    }

    public void Attach(NpgsqlConnection workConnection)
    {
        ArgumentNullException.ThrowIfNull(workConnection);
        ObjectDisposedException.ThrowIf(_disposed, this);
        SyncCall.Run(_work.AttachAsync(async: false, workConnection));
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

    public void Log(LogLevel level, string message)
    {
        ArgumentNullException.ThrowIfNull(message);
        ObjectDisposedException.ThrowIf(_disposed, this);
        // The innermost step of the flow may be one of a run that began inside this one.
        Capture(JobScope.Current?.Step is { } step && step.Job == Row ? step : null, level, null, message);
    }

    /// <summary>Keeps a line for the next flush; no I/O.</summary>
    public void Capture(StepRow? step, LogLevel level, string? category, string message) => _flusher.Capture(step, level, category, message);

    public async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (await ReleaseAsync(async: true, cancellationToken).ConfigureAwait(false) is { } error)
            throw await Runtime.Sink.ExplainAsync(async: true, error, "flush").ConfigureAwait(false);
        if (!await _flusher.FlushAsync(async: true).ConfigureAwait(false))
            throw new JobmonUnavailableException("progress", Runtime.Sink.Name, "the write failed.");
    }

    /// <summary>Writes what changed, with synchronous I/O; false when it was not taken.</summary>
    public bool FlushProgress()
    {
        // A run kept in memory that has become long is written while it still runs, so that it can be seen hanging.
        if (Row.Withheld && IsLong && SyncCall.Run(ReleaseAsync(async: false, CancellationToken.None)) is not null)
            return false;
        return SyncCall.Run(_flusher.FlushAsync(async: false));
    }

    /// <summary>Writes what was kept back; returns what stopped it.</summary>
    private ValueTask<Exception?> ReleaseAsync(bool async, CancellationToken cancellationToken)
    {
        Row.Release();
        return Writer.DrainAsync(async, Row, cancellationToken);
    }
}
