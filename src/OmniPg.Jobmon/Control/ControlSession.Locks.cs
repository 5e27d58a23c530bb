using Npgsql;

namespace OmniPg.Jobmon;

/// <content>What other threads ask of the control thread.</content>
internal sealed partial class ControlSession
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(200);

    private readonly InstanceLocks _instanceLocks = new();

    /// <summary>Takes the lock of a run; false when another run has it and, with <paramref name="wait"/>, kept it until then.</summary>
    public async ValueTask<bool> LockAsync(bool async, InstanceLock wanted, TimeSpan wait, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        while (true)
        {
            var taking = new ControlRequest(connection => TryLock(connection, wanted), undo: connection => _instanceLocks.Release(connection, wanted));
            if (await AskAsync(async, taking, cancellationToken).ConfigureAwait(false))
                return true;
            var left = wait - time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero)
                return false;
            // Asked again and again: a wait inside the server would keep the control connection from its heartbeat.
            var pause = left < PollInterval ? left : PollInterval;
            if (async)
                await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            else
                cancellationToken.WaitHandle.WaitOne(pause);
        }
    }

    /// <summary>Gives the lock back; if the connection is gone, so is the lock.</summary>
    public async ValueTask UnlockAsync(bool async, InstanceLock held)
    {
        FlowScope.StepAside();
        if (_leaving)
            return;

        held.IsUnwanted = true;
        try
        {
            await AskAsync(async, new ControlRequest(connection => _instanceLocks.Release(connection, held), always: true), CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            // A server that is slow to answer still gets the request, which stays with the control thread. Without a connection the
            // lock is gone, and an unwanted one is not taken again.
        }
    }

    /// <summary>Who asked to cancel a run; null where nobody did or the server cannot be asked.</summary>
    public async ValueTask<string?> WhoAskedToCancelAsync(bool async, long jobId)
    {
        FlowScope.StepAside();
        if (target.Tables is not { HasSide: true } log)
            return null;
        string? by = null;
        try
        {
            await AskAsync(
                async,
                new ControlRequest(connection => (by = connection.Scalar<string>(log.Server.Render(ControlSql.WhoAskedToCancel), PgParameter.BigInt(jobId))) is not null),
                CancellationToken.None).ConfigureAwait(false);
            return by;
        }
        catch (Exception error) when (WriteFailures.IsExpected(error))
        {
            return null;
        }
    }

    /// <summary>Who holds the lock now, for the message of a refusal.</summary>
    public async ValueTask<JobAlreadyRunningException> ExplainConflictAsync(bool async, InstanceLock wanted)
    {
        int? pid = null;
        (long JobId, DateTime Since)? run = null;
        var asking = new ControlRequest(connection =>
        {
            pid = InstanceLocks.Holder(connection, wanted.Keys);
            var open = connection.Rows(
                target.Server!.Render(ControlSql.OpenRun), row => (row.GetInt64(0), row.GetDateTime(1)), PgParameter.Text(wanted.JobName));
            run = open.Count == 0 ? null : open[0];
            return true;
        });
        await AskAsync(async, asking, CancellationToken.None).ConfigureAwait(false);
        return new JobAlreadyRunningException(wanted.JobName, run?.JobId, pid, run?.Since);
    }

    private async ValueTask<bool> AskAsync(bool async, ControlRequest request, CancellationToken cancellationToken)
    {
        _requests.Enqueue(request);
        _thread.Start(Loop);
        await WakeAsync(async).ConfigureAwait(false);
        // Asked after the request was put in: the thread may have looked for the last time before.
        if (_thread.IsStopping)
            request.Fail(Gone());
        try
        {
            return await request.WaitAsync(async, options.ConnectTimeout + options.CommandTimeout, time, cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException refusal) when (refusal.SqlState == PostgresErrorCodes.InsufficientPrivilege && target.Server is { } server)
        {
            throw await JobmonRights.ExplainAsync(async, connections.DataSource, server, "write", refusal, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (WriteFailures.IsExpected(error) && error is not (JobmonException or ObjectDisposedException))
        {
            throw new JobmonUnavailableException("single-instance lock", connections.ServerName, JobmonUnavailableException.ReasonOf(error), error);
        }
    }

    private bool TryLock(ControlConnection connection, InstanceLock wanted) => _holdsLocks
        ? _instanceLocks.TryTake(connection, wanted)
        : throw new JobmonUnavailableException("single-instance lock", connections.ServerName, "a transaction pooler keeps no session locks.");
}

/// <summary>Work for the control thread, which alone uses the control connection.</summary>
/// <param name="work">The work; its result is the answer.</param>
/// <param name="undo">Takes back a positive answer that nobody waits for any more; null where nothing has to be.</param>
/// <param name="always">Whether to do the work even then.</param>
internal sealed class ControlRequest(Func<ControlConnection, bool> work, Action<ControlConnection>? undo = null, bool always = false)
{
    private readonly TaskCompletionSource<bool> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Execute(ControlConnection connection)
    {
        // Whoever asked has given up: a lock taken for him now would be held by nobody until the process ends.
        if (_done.Task.IsCompleted && !always)
            return;
        try
        {
            var answer = work(connection);
            // He may also have given up while the server took its time.
            if (!_done.TrySetResult(answer) && answer)
                undo?.Invoke(connection);
        }
        catch (JobmonException refusal)
        {
            _done.TrySetException(refusal);
        }
        catch (Exception error)
        {
            _done.TrySetException(error);
            throw;
        }
    }

    public void Fail(Exception error) => _done.TrySetException(error);

    /// <summary>Waits for the control thread; the synchronous form depends on that thread only, not on the pool.</summary>
    public async ValueTask<bool> WaitAsync(bool async, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            if (async)
                return await _done.Task.WaitAsync(limit, time, cancellationToken).ConfigureAwait(false);
            if (!_done.Task.Wait((int)limit.TotalMilliseconds, cancellationToken))
                throw new TimeoutException("The control session did not answer in time.");
        }
        catch (Exception error) when (error is TimeoutException or OperationCanceledException)
        {
            // If the answer came at this very moment it counts: the lock is held by now.
            if (_done.TrySetException(error))
                throw;
        }
        catch (AggregateException several) when (several.InnerException is { } only)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(only);
        }

        return _done.Task.GetAwaiter().GetResult();
    }
}
