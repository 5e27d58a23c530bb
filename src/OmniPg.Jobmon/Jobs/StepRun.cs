using System.Diagnostics;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One open step. Of its ends the first one wins.</summary>
internal sealed class StepRun : IStep
{
    private readonly JobRun _job;
    private readonly StepRun? _parent;
    private readonly JobScope _scope;
    private readonly Activity? _activity;
    // Decided without a lock: whoever sets it first ends the step, all others are late.
    private int _ended;
    private volatile bool _disposed;

    public StepRun(JobRun job, StepRun? parent, int ordinal, string action)
    {
        (_job, _parent) = (job, parent);
        Row = new StepRow(job.Row, parent?.Row, ordinal, action);
        Cell = new ProgressCell(job.Runtime.Time);
        _activity = JobmonTelemetry.StartStep(job.Name, action, parent?._activity);
        _scope = new JobScope(job, Row);
    }

    public StepRow Row { get; }

    public ProgressCell Cell { get; }

    public long? StepId => Row.StepId;

    public string Action => Row.Action;

    public StepProgress Progress => Cell.Read();

    public IStep Step(string action) => SyncCall.Run(_job.NewStep(action, this).BeginAsync(async: false));

    public ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return _job.NewStep(action, this).BeginAsync(async: true);
    }

    public IStep Next(string action, string? message = null) => SyncCall.Run(NextAsync(async: false, action, message));

    public ValueTask<IStep> NextAsync(string action, string? message = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return NextAsync(async: true, action, message);
    }

    public void Report(long current, long? total = null, string? message = null) => Cell.Report(current, total, message);

    public void Report(StepProgress value)
    {
        Cell.SetUnit(value.Unit);
        Cell.Report(value.Current, value.Total, value.Message);
    }

    public void Increment(long by = 1) => Cell.Increment(by);

    public async ValueTask<IStep> BeginAsync(bool async)
    {
        try
        {
            await WriteAsync(async, [new StepStartedEvent(Row, _job.Runtime.Writer.Mark())], mayThrow: true).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            GiveUp(error);
            throw;
        }

        return this;
    }

    /// <summary>Runs a body as this step. The caller's flow has its own span again as soon as the body is under way.</summary>
    public Task<T> RunAsync<T>(Func<IStep, CancellationToken, Task<T>> body, CancellationToken cancellationToken)
    {
        var running = RunCoreAsync(body, cancellationToken);
        JobmonTelemetry.Leave(_activity);
        return running;
    }

    /// <summary>Runs a SQL text as this step, unless a test answers in place of the server that <paramref name="send"/> asks.</summary>
    public Task<SqlStepResult> RunSqlAsync(string sql, Func<CancellationToken, Task<long>> send, CancellationToken cancellationToken) => RunAsync(
        async (_, token) =>
        {
            token.ThrowIfCancellationRequested();
            var rows = _job.Runtime.SqlAnswer is { } answer ? answer(sql) : await send(token).ConfigureAwait(false);
            var outcome = JobOutcome.Success(string.Create(null, $"Rows affected: {rows}"));
            // Without the token: what the SQL did is done.
            await EndAsync(async: true, "Complete", outcome, rows: rows, cancellationToken: CancellationToken.None).ConfigureAwait(false);
            return new SqlStepResult(StepId, rows);
        },
        cancellationToken);

    private async Task<T> RunCoreAsync<T>(Func<IStep, CancellationToken, Task<T>> body, CancellationToken cancellationToken)
    {
        await BeginAsync(async: true).ConfigureAwait(false);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _job.CancellationToken);
        try
        {
            var result = await body(this, either.Token).ConfigureAwait(false);
            if (Volatile.Read(ref _ended) == 0)
                await CompleteAsync(cancellationToken: CancellationToken.None).ConfigureAwait(false);
            return result;
        }
        catch (Exception error) when (Volatile.Read(ref _ended) == 0)
        {
            await EndWithAsync(error).ConfigureAwait(false);
            throw;
        }
        finally
        {
            _disposed = true;
        }
    }

    private async ValueTask EndWithAsync(Exception error)
    {
        // "Canceled due to user request" does not say by whom; the log knows.
        await _job.Runtime.Control.LookForRequestAsync(async: true, _job.Control, error).ConfigureAwait(false);
        // The driver hides the server's refusal behind its own exception when the token has fired before the answer came.
        var signalled = error is OperationCanceledException or PostgresException { SqlState: PostgresErrorCodes.QueryCanceled }
            && _job.Control.CancelledBy is not null;
        await EndAsync(async: true, "Fail", signalled ? _job.Control.Cancelled(error) : JobOutcome.Failure(error), mayThrow: false).ConfigureAwait(false);
    }

    private ValueTask<IStep> NextAsync(bool async, string action, string? message)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Interlocked.Exchange(ref _ended, 1) != 0)
            throw new InvalidOperationException($"Step '{Action}' has ended already.");
        _scope.Ended = true;
        JobmonTelemetry.Leave(_activity);
        var next = _job.NewStep(action, _parent);
        return NextCoreAsync(async, next, message);
    }

    private async ValueTask<IStep> NextCoreAsync(bool async, StepRun next, string? message)
    {
        // Out of the list before the end is written: the background must not write progress after it.
        _job.Steps.Ended(this, null);
        try
        {
            await WriteAsync(
                async,
                [EndEvent(AlertLevel.Ok, message ?? LastText(), null), new StepStartedEvent(next.Row, _job.Runtime.Writer.Mark())],
                mayThrow: true).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            next.GiveUp(error);
            throw;
        }
        finally
        {
            JobmonTelemetry.EndActivity(_activity, _job.JobId, AlertLevel.Ok, null);
        }

        return next;
    }

    public void Complete(string? message = null, string? status = null) =>
        SyncCall.Run(EndAsync(async: false, "Complete", JobOutcome.Success(message), status));

    public void Warn(string message) => SyncCall.Run(EndAsync(async: false, "Warn", JobOutcome.Warning(message)));

    public void Fail(Exception error) => SyncCall.Run(EndAsync(async: false, "Fail", JobOutcome.Failure(error)));

    public void Fail(string reason) => SyncCall.Run(EndAsync(async: false, "Fail", JobOutcome.Failure(reason)));

    public ValueTask CompleteAsync(string? message = null, string? status = null, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Complete", JobOutcome.Success(message), status, cancellationToken: cancellationToken);

    public ValueTask WarnAsync(string message, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Warn", JobOutcome.Warning(message), cancellationToken: cancellationToken);

    public ValueTask FailAsync(Exception error, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Fail", JobOutcome.Failure(error), cancellationToken: cancellationToken);

    public ValueTask FailAsync(string reason, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Fail", JobOutcome.Failure(reason), cancellationToken: cancellationToken);

    public void Dispose() => SyncCall.Run(DisposeAsync(async: false));

    public ValueTask DisposeAsync() => DisposeAsync(async: true);

    /// <summary>Ends the step in the same batch as its job.</summary>
    public LogEvent EndWithJob(AlertLevel level, string? reason, Exception? error)
    {
        Interlocked.Exchange(ref _ended, 1);
        _scope.Ended = true;
        JobmonTelemetry.EndActivity(_activity, _job.JobId, level, error);
        return EndEvent(level, reason ?? JobEndedEvent.OpenStep(LastText()), error);
    }

    /// <summary>The caller never gets this handle: nothing else could end it.</summary>
    private void GiveUp(Exception error)
    {
        Volatile.Write(ref _ended, 1);
        _scope.Ended = true;
        _job.Steps.Ended(this, null);
        JobmonTelemetry.EndActivity(_activity, _job.JobId, AlertLevel.Critical, error);
    }

    private ValueTask DisposeAsync(bool async)
    {
        if (_disposed)
            return ValueTask.CompletedTask;
        _disposed = true;
        _scope.Ended = true;
        JobmonTelemetry.Leave(_activity);
        if (Volatile.Read(ref _ended) != 0)
            return ValueTask.CompletedTask;
        return EndAsync(async, "Dispose", _job.Control.Disposed(_job.Runtime.Options.DisposeBehavior, _scope.LastException), mayThrow: false);
    }

    private ValueTask EndAsync(
        bool async, string operation, JobOutcome outcome, string? status = null, long? rows = null, bool mayThrow = true,
        CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        JobmonTelemetry.Leave(_activity);
        return EndCoreAsync(async, operation, outcome, status, rows, mayThrow);
    }

    private async ValueTask EndCoreAsync(bool async, string operation, JobOutcome outcome, string? status, long? rows, bool mayThrow)
    {
        if (Interlocked.Exchange(ref _ended, 1) != 0)
        {
            ObjectDisposedException.ThrowIf(_disposed && mayThrow, this);
            JobmonLog.EndedTwice(_job.Runtime.Logger, operation, $"{_job.Name}: {Action}", _job.JobId, _job.State);
            return;
        }

        _scope.Ended = true;
        _job.Steps.Ended(this, Row.Lost ? null : outcome.Cause);
        await WriteAsync(async, [EndEvent(outcome.Level, outcome.Message ?? LastText(), outcome.Cause, status, rows)], mayThrow).ConfigureAwait(false);
        JobmonTelemetry.EndActivity(_activity, _job.JobId, outcome.Level, outcome.Cause);
    }

    private ValueTask WriteAsync(bool async, IReadOnlyList<LogEvent> events, bool mayThrow) =>
        _job.Runtime.Writer.WriteAsync(async, Row.Job, events, mayThrow);

    private string? LastText() => Cell.Last()?.ToText();

    private StepEndedEvent EndEvent(AlertLevel level, string? message, Exception? error, string? status = null, long? rows = null) =>
        new(Row, _job.Runtime.Writer.Mark(), level)
        {
            Message = message,
            Status = status,
            Progress = Cell.Last(),
            RowsAffected = rows,
            Error = error,
            ErrorJson = error is null ? null : ErrorDocument.Json(error, null, _job.Runtime.Texts),
        };
}
