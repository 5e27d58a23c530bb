using System.Diagnostics;

namespace OmniPg.Jobmon;

/// <content>The life of a run: it begins with its lock, if it wants one, and its row, or finds another one at work; of its ends the first one wins.</content>
internal sealed partial class JobRun
{
    private const int StartOpen = 0, StartMade = 1, StartGivenUp = 2;

    /// <summary>Takes the lock, if one is wanted, and writes the start.</summary>
    public async ValueTask<IJob> BeginAsync(bool async, CancellationToken cancellationToken)
    {
        try
        {
            // The lock first: a run that is skipped must never be seen running.
            if (_lock is not null && !await Runtime.Control.TakeAsync(async, _lock, Options, cancellationToken).ConfigureAwait(false))
            {
                await SkipAsync(async).ConfigureAwait(false);
                return this;
            }

            ObjectDisposedException.ThrowIf(Interlocked.CompareExchange(ref _start, StartMade, StartOpen) != StartOpen, typeof(IJobmon));
            var start = StartEvent();
            await Writer.WriteAsync(async, Row, [start], mayThrow: true).ConfigureAwait(false);
            if (!start.SuccessHasText && Runtime.Options.ErrorPolicy == ErrorPolicy.Throw)
                throw JobmonWriteException.NoSuccessText();
            if (Options.WorkConnection is { } work)
                Attach(work);
        }
        catch (Exception error)
        {
            await AbortStartAsync(async, error).ConfigureAwait(false);
            throw;
        }

        // Only now: others name a run by the id that the server has given.
        Runtime.Control.Watch(Control);
        Runtime.Pump.Add(this);
        // By the caller's other threads, which know it as the current one, or by the client's dispose.
        if (State != JobState.Running)
        {
            Runtime.Pump.Remove(this);
            Runtime.Control.Unwatch(Control);
        }

        JobmonLog.JobStarted(Runtime.Logger, Name, JobId);
        return this;
    }

    private JobStartedEvent StartEvent()
    {
        // Without a listener for our own spans the run belongs to the caller's.
        var span = _activity ?? Activity.Current;
        // Marked where it happens, not where it is sent: an event that has to wait keeps its time.
        return new JobStartedEvent(Row, Writer.Mark())
        {
            Parent = _parent,
            TraceId = span?.TraceId.ToHexString(),
            SpanId = span?.SpanId.ToHexString(),
            ArgumentsJson = Options.Arguments.Count == 0 ? null : RunValues.Json(Options.Arguments, [], Runtime.Texts),
            Options = Options,
            Values = _values,
        };
    }

    private async ValueTask SkipAsync(bool async)
    {
        Volatile.Write(ref _state, (int)JobState.Skipped);
        Row.Release();
        _scope.Ended = true;
        await Writer.WriteAsync(async, Row, StartEvent().Skipped(), mayThrow: true).ConfigureAwait(false);
        JobmonLog.JobSkipped(Runtime.Logger, Name);
        Finish(AlertLevel.Warning, null, "SKIPPED");
    }

    private async ValueTask AbortStartAsync(bool async, Exception error)
    {
        _scope.Ended = _disposed = true;
        // The row may be there, or on its way: nobody else could end a run whose handle the caller never got.
        if (State == JobState.Running && (JobId is not null || Row.Journal.Count > 0))
        {
            await EndAsync(async, "Start", JobOutcome.Failure(error), mayThrow: false).ConfigureAwait(false);
            return;
        }

        await ReleaseLockAsync(async).ConfigureAwait(false);
        Finish(AlertLevel.Critical, null, "NOT STARTED");
    }

    public void Complete(string? message = null) => SyncCall.Run(EndAsync(async: false, "Complete", JobOutcome.Success(message)));

    public ValueTask CompleteAsync(string? message = null, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Complete", JobOutcome.Success(message), cancellationToken: cancellationToken);

    public void Fail(Exception error, AlertLevel? level = null) => SyncCall.Run(EndAsync(async: false, "Fail", JobOutcome.Failure(error, level)));

    public void Fail(string reason, AlertLevel? level = null) => SyncCall.Run(EndAsync(async: false, "Fail", JobOutcome.Failure(reason, level)));

    public ValueTask FailAsync(Exception error, AlertLevel? level = null, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Fail", JobOutcome.Failure(error, level), cancellationToken: cancellationToken);

    public ValueTask FailAsync(string reason, AlertLevel? level = null, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Fail", JobOutcome.Failure(reason, level), cancellationToken: cancellationToken);

    public void Dispose() => SyncCall.Run(DisposeAsync(async: false));

    public ValueTask DisposeAsync() => DisposeAsync(async: true);

    /// <summary>Runs a body inside this run, which has begun: completes it, or records the exception and rethrows it unchanged.</summary>
    /// <returns>The result of the body; the default when the run was skipped.</returns>
    public async Task<T?> RunAsync<T>(Func<IJob, CancellationToken, Task<T>> body, CancellationToken cancellationToken)
    {
        // Also for a run that was skipped: its scope has to leave the flow.
        await using var ending = this.ConfigureAwait(false);
        if (!Acquired)
            return default;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, CancellationToken);
        try
        {
            var result = await body(this, either.Token).ConfigureAwait(false);
            // Without the token: the body is done, and a request that comes now does not turn its success into something else.
            if (State == JobState.Running)
                await CompleteAsync(cancellationToken: CancellationToken.None).ConfigureAwait(false);
            return result;
        }
        catch (Exception error)
        {
            await EndWithAsync(error, cancellationToken).ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask EndWithAsync(Exception error, CancellationToken callersToken)
    {
        if (State != JobState.Running)
            return;
        await Runtime.Control.LookForRequestAsync(async: true, Control, error).ConfigureAwait(false);
        var asked = Control.IsCancelledBy(error) || (error is OperationCanceledException && callersToken.IsCancellationRequested);
        // The token that fired is the reason of this end, and not its limit.
        await EndAsync(async: true, "Fail", asked ? Control.Cancelled(error) : JobOutcome.Failure(error), mayThrow: false, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Ends an open run because the client goes away.</summary>
    public ValueTask AbandonAsync(bool async)
    {
        // A run that still waits for its lock has nothing to end; should it get the lock, it must not begin without a client.
        if (State != JobState.Running || Interlocked.CompareExchange(ref _start, StartGivenUp, StartOpen) == StartOpen)
            return ValueTask.CompletedTask;
        return EndAsync(async, "Dispose", JobOutcome.Failure("JobmonClient was disposed while the job was running"), mayThrow: false);
    }

    private ValueTask DisposeAsync(bool async)
    {
        if (_disposed)
            return ValueTask.CompletedTask;
        // In this frame, because what an async method changes in the flow is undone when it returns.
        _disposed = true;
        _scope.Ended = true;
        JobmonTelemetry.Leave(_activity);
        return State == JobState.Running ? EndDisposedAsync(async, _scope.LastException) : ValueTask.CompletedTask;
    }

    private async ValueTask EndDisposedAsync(bool async, Exception? thrown)
    {
        await Runtime.Control.LookForRequestAsync(async, Control, thrown).ConfigureAwait(false);
        await EndAsync(async, "Dispose", Control.Disposed(Runtime.Options.DisposeBehavior, thrown), mayThrow: false).ConfigureAwait(false);
    }

    private ValueTask EndAsync(bool async, string operation, JobOutcome outcome, bool mayThrow = true, CancellationToken cancellationToken = default)
    {
        // Before anything is ended: a token that fires later does not stop an end halfway.
        cancellationToken.ThrowIfCancellationRequested();
        JobmonTelemetry.Leave(_activity);
        return EndCoreAsync(async, operation, outcome, mayThrow);
    }

    private async ValueTask EndCoreAsync(bool async, string operation, JobOutcome outcome, bool mayThrow)
    {
        if (Interlocked.CompareExchange(ref _state, (int)outcome.State, (int)JobState.Running) != (int)JobState.Running)
        {
            // Not where it would replace the caller's exception, or stop a dispose halfway.
            ObjectDisposedException.ThrowIf(_disposed && mayThrow, this);
            JobmonLog.EndedTwice(Runtime.Logger, operation, Name, JobId, State);
            return;
        }

        _scope.Ended = true;
        // What the background is writing already is waited for at the gate of the journal; nothing new begins.
        Runtime.Pump.Remove(this);
        try
        {
            var events = EndEvents(outcome);
            // A run kept in memory in which anything went wrong, or that took long, is written after all.
            if (Row.Withheld && (outcome.Level != AlertLevel.Ok || IsLong || Row.Journal.Snapshot().Concat(events).Any(e => e is StepEndedEvent { IsSuccess: false })))
                Row.Release();
            await Writer.WriteAsync(async, Row, events, mayThrow).ConfigureAwait(false);
            // It may have been the reaper, at this very moment: only a new statement sees its mark, and then writes the true end.
            if (Row.EndedElsewhere)
                await Writer.WriteAsync(async, Row, events, mayThrow).ConfigureAwait(false);
            // Whoever releases it at this moment writes the end, too.
            if (Row.TryForget())
                Row.Journal.Clear();
        }
        finally
        {
            Runtime.Control.Unwatch(Control);
            // Only now: whoever takes the lock next must find this run ended.
            await ReleaseLockAsync(async).ConfigureAwait(false);
            Finish(outcome.Level, outcome.Cause, outcome.StatusName);
        }

        if (!Row.EndedElsewhere)
            return;
        Volatile.Write(ref _state, (int)JobState.EndedElsewhere);
        JobmonLog.EndedElsewhere(Runtime.Logger, Name, JobId, outcome.Level.ToString());
    }

    private ValueTask ReleaseLockAsync(bool async) => _lock is { Held: true } ? Runtime.Control.UnlockAsync(async, _lock) : default;

    private void Finish(AlertLevel level, Exception? cause, string status)
    {
        _work.Forget(_work.Connection);
        Control.Leave();
        JobmonTelemetry.EndJob(Name, Runtime.Time.GetElapsedTime(_begun), status);
        JobmonTelemetry.EndActivity(_activity, JobId, level, cause);
        JobmonLog.JobEnded(Runtime.Logger, Name, JobId, status);
        Ended?.Invoke(this);
    }

    /// <summary>The end of the open steps, the last log lines and the end of the run itself, as one batch.</summary>
    private List<LogEvent> EndEvents(JobOutcome outcome)
    {
        var (events, homeless) = Steps.EndWith(outcome);
        events.AddRange(_flusher.LastLines());
        // A message that no step carries gets a step of its own: the tables of the original have no other place for it.
        events.Add(new JobEndedEvent(Row, Writer.Mark(), outcome)
        {
            FinalAction = homeless ? JobEndedEvent.ActionOf(outcome, Steps.Any) : null,
            FinalMessage = homeless ? outcome.Message : null,
            ErrorJson = outcome.Error is not null || outcome.IsFailure ? ErrorDocument.Json(outcome.Error, outcome.Message, Runtime.Texts) : null,
            ResultJson = _values.Json(Runtime.Texts),
        });
        return events;
    }
}
