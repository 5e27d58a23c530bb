namespace OmniPg.Jobmon;

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
