using System.Diagnostics;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One open step.</summary>
internal sealed partial class StepRun : IStep
{
    private readonly JobRun _job;
    private readonly StepRun? _parent;
    private readonly FlowScope _scope;
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
        _scope = FlowScope.Enter(job, Row);
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

    /// <summary>Runs a SQL text on the caller's connection as this step.</summary>
    public Task<SqlStepResult> RunSqlAsync(
        string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction, CancellationToken cancellationToken)
    {
        return ResultAsync(RunAsync(
            async (_, token) =>
            {
                var rows = _job.Runtime.SqlAnswer is { } answer
                    ? SqlText.Answer(answer, sql, token)
                    : await SqlText.RunStepAsync(sql, connection, transaction, token).ConfigureAwait(false);
                await EndSqlAsync(rows).ConfigureAwait(false);
                return rows;
            },
            cancellationToken));

        async Task<SqlStepResult> ResultAsync(Task<long> running)
        {
            var rows = await running.ConfigureAwait(false);
            return new SqlStepResult(StepId, rows);
        }
    }

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
        await _job.LookForCancellationAsync(async: true, error).ConfigureAwait(false);
        // The driver hides the server's refusal behind its own exception when the token has fired before the answer came.
        var signalled = error is OperationCanceledException or PostgresException { SqlState: PostgresErrorCodes.QueryCanceled }
            && _job.CancelledBy is not null;
        await EndAsync(
            async: true, "Fail", signalled ? _job.Options.CancelledLevel : AlertLevel.Critical, signalled ? JobOutcome.CancelledText(_job.CancelledBy) : null, null,
            error, mayThrow: false).ConfigureAwait(false);
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
                [EndEvent(AlertLevel.Ok, message ?? LastText(), null, null), new StepStartedEvent(next.Row, _job.Runtime.Writer.Mark())],
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

    private ValueTask WriteAsync(bool async, IReadOnlyList<LogEvent> events, bool mayThrow) =>
        _job.Runtime.Writer.WriteAsync(async, Row.Job, events, mayThrow);
}
