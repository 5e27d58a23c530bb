namespace OmniPg.Jobmon;

/// <summary>How runs are kept from each other, and how a request to cancel reaches one: through a server, or among the runs of one client.</summary>
internal interface IControl : IDisposable
{
    /// <summary>Looks after a run until <see cref="Unwatch"/>.</summary>
    void Watch(RunControl run);

    void Unwatch(RunControl run);

    /// <summary>Takes the lock of a single-instance run; false when another run has it and, with <paramref name="wait"/>, kept it until then.</summary>
    ValueTask<bool> LockAsync(bool async, InstanceLock wanted, TimeSpan wait, CancellationToken cancellationToken);

    /// <summary>Gives the lock back.</summary>
    ValueTask UnlockAsync(bool async, InstanceLock held);

    /// <summary>Who holds the lock now, as the refusal of a run.</summary>
    ValueTask<JobAlreadyRunningException> ExplainConflictAsync(bool async, InstanceLock wanted);

    /// <summary>Who asked to cancel a run; null where nobody did or it cannot be known.</summary>
    ValueTask<string?> WhoAskedToCancelAsync(bool async, long jobId);

    /// <summary>From now on locks are given back all at once by <see cref="IDisposable.Dispose"/>, and not one by one.</summary>
    void BeginLeave();
}
