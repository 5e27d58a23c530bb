using System.Diagnostics;

namespace OmniPg.Jobmon;

/// <content>How a run begins: with its lock, if it wants one, and its row; or as a record of having found another one at work.</content>
internal sealed partial class JobRun
{
    private const int StartOpen = 0;
    private const int StartMade = 1;
    private const int StartGivenUp = 2;

    /// <summary>Takes the lock, if one is wanted, and writes the start.</summary>
    public async ValueTask<IJob> BeginAsync(bool async, CancellationToken cancellationToken)
    {
        try
        {
            // The lock first: a run that is skipped must never be seen running.
            if (_lock is not null && !await TakeLockAsync(async, _lock, cancellationToken).ConfigureAwait(false))
            {
                await SkipAsync(async).ConfigureAwait(false);
                return this;
            }

            ObjectDisposedException.ThrowIf(Interlocked.CompareExchange(ref _start, StartMade, StartOpen) != StartOpen, typeof(IJobmon));
            var start = StartEvent();
            await Writer.WriteAsync(async, Row, [start], mayThrow: true).ConfigureAwait(false);
            if (!start.SuccessHasText && _runtime.Options.ErrorPolicy == ErrorPolicy.Throw)
                throw JobmonWriteException.NoSuccessText();
            if (_options.WorkConnection is { } work)
                Attach(work);
        }
        catch (Exception error)
        {
            await AbortStartAsync(async, error).ConfigureAwait(false);
            throw;
        }

        // Only now: others name a run by the id that the server has given.
        _runtime.Control.Watch(_control);
        Writer.Pump.Add(this);
        // By the caller's other threads, which know it as the current one, or by the client's dispose.
        if (State != JobState.Running)
        {
            Writer.Pump.Remove(this);
            _runtime.Control.Unwatch(_control);
        }

        JobmonLog.JobStarted(_runtime.Logger, Name, JobId);
        return this;
    }

    /// <summary>The run that a new one belongs to: the one that is named, else the open one of the same client in this flow; null for none.</summary>
    /// <exception cref="ArgumentException">The named one is recorded elsewhere: its id would mean another run here.</exception>
    private static JobRow? ParentOf(IJob? parent, JobmonRuntime runtime)
    {
        if (parent is null)
            return FlowScope.CurrentOf(runtime)?.Job.Row;
        // What is recorded nowhere has no id that could be wrong.
        if (runtime.Log is null || parent is JobRun { _runtime.Log: null })
            return null;
        return parent is JobRun run && run._runtime.Log!.Equals(runtime.Log)
            ? run.Row
            : throw new ArgumentException($"Job '{parent.Name}' cannot be the parent: it is recorded in another log.", nameof(parent));
    }

    /// <summary>Takes the single-instance lock; false when the run is to be skipped.</summary>
    /// <exception cref="JobAlreadyRunningException">Another run has the lock, and the options ask for an exception.</exception>
    private async ValueTask<bool> TakeLockAsync(bool async, InstanceLock wanted, CancellationToken cancellationToken)
    {
        var wait = _options.OnConflict == OnConflict.Wait ? _options.WaitTimeout : TimeSpan.Zero;
        if (await _runtime.Control.LockAsync(async, wanted, wait, cancellationToken).ConfigureAwait(false))
            return true;
        return _options.OnConflict == OnConflict.Skip
            ? false
            : throw await _runtime.Control.ExplainConflictAsync(async, wanted).ConfigureAwait(false);
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
            ArgumentsJson = _options.Arguments.Count == 0 ? null : RunValues.Json(_options.Arguments, [], _runtime.Texts),
            Tags = _options.Tags,
            MaxRuntime = _options.MaxRuntime,
            Options = _options,
            Values = _values,
        };
    }

    private async ValueTask SkipAsync(bool async)
    {
        Volatile.Write(ref _state, (int)JobState.Skipped);
        Row.Release();
        _scope.Ended = true;
        await Writer.WriteAsync(async, Row, SkipEvents(StartEvent()), mayThrow: true).ConfigureAwait(false);
        JobmonLog.JobSkipped(_runtime.Logger, Name);
        Finish(AlertLevel.Warning, null, "SKIPPED");
    }

    private async ValueTask AbortStartAsync(bool async, Exception error)
    {
        _scope.Ended = true;
        _disposed = true;
        // The row may be there, or on its way: nobody else could end a run whose handle the caller never got.
        if (State == JobState.Running && (JobId is not null || Row.Journal.Count > 0))
        {
            await EndAsync(async, "Start", JobOutcome.Failure(error), mayThrow: false).ConfigureAwait(false);
            return;
        }

        await ReleaseLockAsync(async).ConfigureAwait(false);
        Finish(AlertLevel.Critical, null, "NOT STARTED");
    }

    /// <summary>The record of the original for a run that found another one at work.</summary>
    private static List<LogEvent> SkipEvents(JobStartedEvent start)
    {
        var step = new StepRow(start.Job, null, 1, $"Obtaining advisory lock for job: {start.Job.Name}");
        return
        [
            start,
            new StepStartedEvent(step, start.Mark),
            new StepEndedEvent(step, start.Mark, AlertLevel.Warning) { Message = "Found concurrent job. Exiting gracefully" },
            new JobEndedEvent(start.Job, start.Mark, new JobOutcome(AlertLevel.Warning, JobState.Skipped, null, null)),
        ];
    }
}
