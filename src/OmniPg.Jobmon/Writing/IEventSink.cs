namespace OmniPg.Jobmon;

/// <summary>Takes the events of runs: the log of a server, a record in memory, or nothing at all. Everything above it is the same for all.</summary>
internal interface IEventSink
{
    /// <summary>Name of the place for messages; holds no secret.</summary>
    string Name { get; }

    /// <summary>What tells one log from another, so that an id means the same run in both; null where nothing is recorded.</summary>
    object? Log { get; }

    /// <summary>Whether there is a place for log lines; null before the first contact.</summary>
    bool? TakesLines { get; }

    /// <summary>Takes a batch of events of one run, in order and as a whole; each has accepted its answer or knows its refusal then.</summary>
    /// <returns>What went wrong, so that the batch was not taken; null for nothing.</returns>
    ValueTask<(WriteFailure? Failure, Exception? Error)> SendAsync(bool async, List<LogEvent> events);

    /// <summary>Whether events would be taken again, after a failure.</summary>
    bool Probe();

    /// <summary>Turns what stopped a write into the exception that a caller sees.</summary>
    ValueTask<Exception> ExplainAsync(bool async, Exception error, string operation);

    ValueTask CloseAsync(bool async);
}

/// <summary>
/// Nowhere: events are not even made ready, and no run is in the way of another. What is recorded in this process, without a server, begins from here.
/// </summary>
internal class NullSink : IEventSink, IControl
{
    public virtual string Name => "nowhere";

    public virtual object? Log => null;

    public virtual bool? TakesLines => false;

    public virtual ValueTask<(WriteFailure? Failure, Exception? Error)> SendAsync(bool async, List<LogEvent> events) => default;

    public bool Probe() => true;

    public ValueTask<Exception> ExplainAsync(bool async, Exception error, string operation) => ValueTask.FromResult(error);

    public virtual void Watch(RunControl run)
    {
    }

    public virtual void Unwatch(RunControl run)
    {
    }

    public virtual ValueTask<bool> LockAsync(bool async, InstanceLock wanted, TimeSpan wait, CancellationToken cancellationToken) => ValueTask.FromResult(true);

    public virtual ValueTask UnlockAsync(bool async, InstanceLock held) => default;

    public virtual ValueTask<JobAlreadyRunningException> ExplainConflictAsync(bool async, InstanceLock wanted) =>
        ValueTask.FromResult(new JobAlreadyRunningException(wanted.JobName, null, null, null));

    public ValueTask<string?> WhoAskedToCancelAsync(bool async, long jobId) => default;

    public void BeginLeave()
    {
    }

    public ValueTask CloseAsync(bool async) => default;

    public void Dispose()
    {
    }
}
