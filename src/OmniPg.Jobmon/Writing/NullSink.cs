namespace OmniPg.Jobmon;

/// <summary>Nowhere: events are not even made ready, and no run is in the way of another.</summary>
internal sealed class NullSink : IEventSink, IControl
{
    public string Name => "nowhere";

    public object? Log => null;

    public bool InBackground => false;

    public bool? TakesLines => false;

    public ValueTask<(WriteFailure? Failure, Exception? Error)> SendAsync(bool async, List<LogEvent> events) => default;

    public bool Probe() => true;

    public ValueTask<Exception> ExplainAsync(bool async, Exception error, string operation) => ValueTask.FromResult(error);

    public void Watch(RunControl run)
    {
    }

    public void Unwatch(RunControl run)
    {
    }

    public ValueTask<bool> LockAsync(bool async, InstanceLock wanted, TimeSpan wait, CancellationToken cancellationToken) => ValueTask.FromResult(true);

    public ValueTask UnlockAsync(bool async, InstanceLock held) => default;

    public ValueTask<JobAlreadyRunningException> ExplainConflictAsync(bool async, InstanceLock wanted) =>
        ValueTask.FromResult(new JobAlreadyRunningException(wanted.JobName, null, null, null));

    public ValueTask<string?> WhoAskedToCancelAsync(bool async, long jobId) => default;

    public void BeginLeave()
    {
    }

    public void Dispose()
    {
    }

    public ValueTask DisposeAsync() => default;
}
