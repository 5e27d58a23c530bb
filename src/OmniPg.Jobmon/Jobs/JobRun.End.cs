using Npgsql;

namespace OmniPg.Jobmon;

/// <content>Every way in which a run ends; the first one wins.</content>
internal sealed partial class JobRun
{
    /// <summary>Actions of the step that the end of a run adds for a message that no step carries.</summary>
    private const string BeforeFirstStep = "EXCEPTION before first step logged";
    private const string AfterLastStep = "EXCEPTION after last step logged";
    private const string Finished = "Finished";

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
        await LookForCancellationAsync(async: true, error).ConfigureAwait(false);
        var asked = IsCancelledBy(error) || (error is OperationCanceledException && callersToken.IsCancellationRequested);
        var outcome = asked ? JobOutcome.Cancelled(_options.CancelledLevel, error, CancelledBy) : JobOutcome.Failure(error);
        // The token that fired is the reason of this end, and not its limit.
        await EndAsync(async: true, "Fail", outcome, mayThrow: false, CancellationToken.None).ConfigureAwait(false);
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
        await LookForCancellationAsync(async, thrown).ConfigureAwait(false);
        var asked = IsCancelledBy(thrown);
        var cancelled = asked && DisposeBehavior == DisposeBehavior.FailUnlessCompleted;
        var outcome = cancelled ? JobOutcome.Cancelled(_options.CancelledLevel, thrown, CancelledBy) : JobOutcome.Disposed(DisposeBehavior, thrown);
        await EndAsync(async, "Dispose", outcome, mayThrow: false).ConfigureAwait(false);
    }

    public string? CancelledBy => _control.CancelledBy;

    /// <summary>
    /// Whether what ends by this exception was cancelled: somebody asked for it, or the host stops. An exception of another kind has come
    /// meanwhile by itself.
    /// </summary>
    public bool IsCancelledBy(Exception? error) =>
        _control.IsCancelled || (error is OperationCanceledException && _options.StoppingToken.IsCancellationRequested);

    // The signal that ends the statement of the work overtakes the word to its owner.
    public async ValueTask LookForCancellationAsync(bool async, Exception? error)
    {
        if (error is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled } && !_control.IsCancelled && JobId is { } id
            && await _runtime.Control.WhoAskedToCancelAsync(async, id).ConfigureAwait(false) is { } by)
            _control.OnCancelRequested(by);
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
            JobmonLog.EndedTwice(_runtime.Logger, operation, Name, JobId, State);
            return;
        }

        _scope.Ended = true;
        // What the background is writing already is waited for at the gate of the journal; nothing new begins.
        Writer.Pump.Remove(this);
        try
        {
            var events = EndEvents(outcome);
            // A run kept in memory in which anything went wrong, or that took long, is written after all.
            if (Row.Withheld && (outcome.Level != AlertLevel.Ok || IsLong || Row.Journal.HasFailure || events.Exists(e => e is StepEndedEvent { IsSuccess: false })))
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
            _runtime.Control.Unwatch(_control);
            // Only now: whoever takes the lock next must find this run ended.
            await ReleaseLockAsync(async).ConfigureAwait(false);
            Finish(outcome.Level, outcome.Cause, outcome.StatusName);
        }

        if (!Row.EndedElsewhere)
            return;
        Volatile.Write(ref _state, (int)JobState.EndedElsewhere);
        JobmonLog.EndedElsewhere(_runtime.Logger, Name, JobId, outcome.Level.ToString());
    }

    private async ValueTask ReleaseLockAsync(bool async)
    {
        if (_lock is { Held: true })
            await _runtime.Control.UnlockAsync(async, _lock).ConfigureAwait(false);
    }

    private void Finish(AlertLevel level, Exception? cause, string status)
    {
        _work.Forget(_work.Connection);
        _control.Leave();
        JobmonTelemetry.EndJob(Name, _runtime.Time.GetElapsedTime(_begun), status);
        JobmonTelemetry.EndActivity(_activity, JobId, level, cause);
        JobmonLog.JobEnded(_runtime.Logger, Name, JobId, status);
        Ended?.Invoke(this);
    }

    /// <summary>The end of the open steps, the last log lines and the end of the run itself, as one batch.</summary>
    private List<LogEvent> EndEvents(JobOutcome outcome)
    {
        var begun = _steps.Any;
        var (open, recorded) = _steps.Close();
        var known = outcome.Cause is { } cause && ReferenceEquals(cause, recorded);
        // The innermost step is where the work stood: it gets the reason, if there is a row that can carry it.
        var culprit = outcome.IsFailure && !known ? Array.FindLast(open, step => !step.Row.Lost) : null;

        var events = new List<LogEvent>(open.Length + 1);
        // Inner steps first, as they would have ended by themselves.
        foreach (var step in open.AsEnumerable().Reverse())
            events.Add(step.EndWithJob(outcome.Level, step == culprit ? outcome.Message : null, step == culprit ? outcome.Error : null));
        events.AddRange(_flusher.LastLines());
        // A message that no step carries gets a step of its own: the tables of the original have no other place for it.
        var homeless = outcome.IsFailure ? culprit is null && !known : outcome.Message is not null;
        events.Add(new JobEndedEvent(Row, Writer.Mark(), outcome)
        {
            FinalAction = !homeless ? null : !outcome.IsFailure ? Finished : begun ? AfterLastStep : BeforeFirstStep,
            FinalMessage = homeless ? outcome.Message : null,
            ErrorJson = outcome.Error is not null || outcome.IsFailure ? ErrorDocument.Json(outcome.Error, outcome.Message, _runtime.Texts) : null,
            ResultJson = _values.Json(_runtime.Texts),
        });
        return events;
    }
}
