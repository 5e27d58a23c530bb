using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>How runs are kept from each other, and how a request to cancel reaches one: through a server, or among the runs of one client.</summary>
internal interface IControl : IDisposable
{
    /// <summary>Looks after a run until <see cref="Unwatch"/>.</summary>
    void Watch(RunControl run);

    void Unwatch(RunControl run);

    /// <summary>Takes the lock of a single-instance run; false when another run has it and, with <paramref name="wait"/>, kept it until then.</summary>
    ValueTask<bool> LockAsync(bool async, InstanceLock wanted, TimeSpan wait, CancellationToken cancellationToken);

    ValueTask UnlockAsync(bool async, InstanceLock held);

    /// <summary>Who holds the lock now, as the refusal of a run.</summary>
    ValueTask<JobAlreadyRunningException> ExplainConflictAsync(bool async, InstanceLock wanted);

    /// <summary>Who asked to cancel a run; null where nobody did or it cannot be known.</summary>
    ValueTask<string?> WhoAskedToCancelAsync(bool async, long jobId);

    /// <summary>From now on locks are given back all at once by <see cref="IDisposable.Dispose"/>, and not one by one.</summary>
    void BeginLeave();

    /// <summary>Takes the lock of a run as its options say; false when the run is to be skipped.</summary>
    /// <exception cref="JobAlreadyRunningException">Another run has the lock, and the options ask for an exception.</exception>
    async ValueTask<bool> TakeAsync(bool async, InstanceLock wanted, JobOptions options, CancellationToken cancellationToken)
    {
        var wait = options.OnConflict == OnConflict.Wait ? options.WaitTimeout : TimeSpan.Zero;
        if (await LockAsync(async, wanted, wait, cancellationToken).ConfigureAwait(false))
            return true;
        return options.OnConflict == OnConflict.Skip ? false : throw await ExplainConflictAsync(async, wanted).ConfigureAwait(false);
    }

    /// <summary>
    /// Asks whether somebody cancelled the work of a run that ends by this exception: the signal that ends its statement overtakes the word to its owner.
    /// </summary>
    async ValueTask LookForRequestAsync(bool async, RunControl run, Exception? error)
    {
        if (error is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled } && !run.IsCancelled && run.Row.JobId is { } id
            && await WhoAskedToCancelAsync(async, id).ConfigureAwait(false) is { } by)
            run.OnCancelRequested(by);
    }
}
