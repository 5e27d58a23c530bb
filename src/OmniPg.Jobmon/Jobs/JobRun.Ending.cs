namespace OmniPg.Jobmon;

/// <content>Every way in which a run ends; the first one wins.</content>
internal sealed partial class JobRun
{
    private const string Cancelled = "Cancelled";
    private const string BeforeFirstStep = "EXCEPTION before first step logged";
    private const string AfterLastStep = "EXCEPTION after last step logged";
    private const string DisposedOpen = "Disposed without Complete()";

    public void Complete(string? message = null) =>
        SyncCall.Run(EndAsync(async: false, "Complete", new Outcome(AlertLevel.Ok, JobState.Completed, message, null)));

    public ValueTask CompleteAsync(string? message = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return EndAsync(async: true, "Complete", new Outcome(AlertLevel.Ok, JobState.Completed, message, null));
    }

    public void Fail(Exception error, AlertLevel? level = null) => SyncCall.Run(EndAsync(async: false, "Fail", Failure(error, level)));

    public void Fail(string reason, AlertLevel? level = null) => SyncCall.Run(EndAsync(async: false, "Fail", Failure(reason, level)));

    public ValueTask FailAsync(Exception error, AlertLevel? level = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return EndAsync(async: true, "Fail", Failure(error, level));
    }

    public ValueTask FailAsync(string reason, AlertLevel? level = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return EndAsync(async: true, "Fail", Failure(reason, level));
    }

    public void Dispose() => SyncCall.Run(DisposeAsync(async: false));

    public ValueTask DisposeAsync() => DisposeAsync(async: true);

    /// <summary>Ends the run with what its body threw, without ever throwing in place of that exception.</summary>
    public ValueTask EndWithAsync(Exception error, CancellationToken callersToken)
    {
        if (State != JobState.Running)
            return ValueTask.CompletedTask;
        var asked = _cancel.IsCancellationRequested || (error is OperationCanceledException && callersToken.IsCancellationRequested);
        var outcome = asked ? CancelledOutcome(error) : Failure(error, null);
        return EndAsync(async: true, "Fail", outcome, mayThrow: false);
    }

    /// <summary>Ends an open run because the client goes away.</summary>
    public ValueTask AbandonAsync(bool async) => State == JobState.Running
        ? EndAsync(async, "Dispose", Failure("JobmonClient was disposed while the job was running", null), mayThrow: false)
        : ValueTask.CompletedTask;

    private ValueTask DisposeAsync(bool async)
    {
        if (_disposed)
            return ValueTask.CompletedTask;
        // In this frame, because what an async method changes in the flow is undone when it returns.
        _disposed = true;
        _scope.Ended = true;
        return State == JobState.Running
            ? EndAsync(async, "Dispose", DisposeOutcome(), mayThrow: false)
            : ValueTask.CompletedTask;
    }

    private Outcome DisposeOutcome()
    {
        if (_cancel.IsCancellationRequested && DisposeBehavior == DisposeBehavior.FailUnlessCompleted)
            return CancelledOutcome(_scope.LastException);
        if (DisposeBehavior == DisposeBehavior.CompleteUnlessFailed)
            return new Outcome(AlertLevel.Ok, JobState.Completed, null, null);
        return _scope.LastException is { } error ? Failure(error, null) : Failure(DisposedOpen, null);
    }

    private Outcome CancelledOutcome(Exception? error) => new(_options.CancelledLevel, JobState.Cancelled, Cancelled, null) { Cause = error };

    private static Outcome Failure(Exception error, AlertLevel? level)
    {
        ArgumentNullException.ThrowIfNull(error);
        return new Outcome(level ?? AlertLevel.Critical, JobState.Failed, ErrorDocument.Message(error), error) { Cause = error };
    }

    private static Outcome Failure(string reason, AlertLevel? level)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        return new Outcome(level ?? AlertLevel.Critical, JobState.Failed, reason, null);
    }

    private async ValueTask EndAsync(bool async, string operation, Outcome outcome, bool mayThrow = true)
    {
        if (Interlocked.CompareExchange(ref _state, (int)outcome.State, (int)JobState.Running) != (int)JobState.Running)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            JobmonLog.EndedTwice(_runtime.Logger, operation, Name, JobId, State);
            return;
        }

        _scope.Ended = true;
        _runtime.Pump.Remove(this);
        var before = _scope.LastException;
        try
        {
            var events = EndEvents(outcome);
            if (Row.Withheld)
                Decide(outcome.Level, events);
            await Writer.WriteAsync(async, Row, events, mayThrow).ConfigureAwait(false);
            if (Row.Withheld)
                Row.Journal.Clear();
        }
        finally
        {
            _runtime.Control.Unwatch(this);
            if (_lock is { Held: true })
                await _runtime.Control.UnlockAsync(async, _lock).ConfigureAwait(false);
            _scope.LastException = before;
            Finish(outcome.Level, outcome.Cause, outcome.State == JobState.Cancelled ? "CANCELLED" : outcome.Level.ToString());
        }

        if (!Row.EndedElsewhere)
            return;
        Volatile.Write(ref _state, (int)JobState.EndedElsewhere);
        JobmonLog.EndedElsewhere(_runtime.Logger, Name, JobId, outcome.Level.ToString());
    }

    /// <summary>The end of all open steps and of the run: one batch.</summary>
    private List<LogEvent> EndEvents(Outcome outcome)
    {
        StepRun[] open;
        Exception? recorded;
        lock (_stepLock)
        {
            open = [.. _openSteps];
            recorded = _recordedError;
            _openSteps.Clear();
        }

        var events = new List<LogEvent>(open.Length + 1);
        var failed = outcome.State is JobState.Failed or JobState.Cancelled;
        // The innermost step is where the work stood: it gets the reason.
        var known = outcome.Cause is { } cause && ReferenceEquals(cause, recorded);
        var culprit = failed && open.Length > 0 && !known ? open[^1] : null;
        foreach (var step in open.AsEnumerable().Reverse())
            events.Add(step.EndWithJob(outcome.Level, step == culprit ? outcome.Message : null, step == culprit ? outcome.Error : null));

        events.AddRange(LastLines());
        var needsStep = failed ? culprit is null && !known : outcome.Message is not null;
        events.Add(new JobEndedEvent(Row, Writer.Mark(), outcome.Level)
        {
            FinalAction = !needsStep ? null : !failed ? "Finished" : Volatile.Read(ref _ordinal) == 0 ? BeforeFirstStep : AfterLastStep,
            FinalMessage = needsStep ? outcome.Message : null,
            ErrorJson = outcome.Error is { } error ? ErrorDocument.Json(error, _runtime.Texts)
                : failed ? ErrorDocument.Json(outcome.Message!, _runtime.Texts) : null,
            ResultJson = _values.Json(_runtime.Texts),
        });
        return events;
    }

    private void Finish(AlertLevel level, Exception? cause, string status)
    {
        JobmonTelemetry.EndJob(Name, _runtime.Time.GetElapsedTime(_begun), status);
        JobmonTelemetry.EndActivity(_activity, JobId, level, cause);
        JobmonLog.JobEnded(_runtime.Logger, Name, JobId, status);
        Ended?.Invoke(this);
    }

    private sealed record Outcome(AlertLevel Level, JobState State, string? Message, Exception? Error)
    {
        public Exception? Cause { get; init; }
    }
}
