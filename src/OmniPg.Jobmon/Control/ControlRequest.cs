using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Work for the control thread, which alone uses the control connection.</summary>
internal sealed class ControlRequest(Func<NpgsqlConnection, bool> work)
{
    private readonly TaskCompletionSource<bool> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Execute(NpgsqlConnection connection)
    {
        try
        {
            _done.TrySetResult(work(connection));
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
        if (async)
            return await _done.Task.WaitAsync(limit, time, cancellationToken).ConfigureAwait(false);
        try
        {
            if (!_done.Task.Wait((int)limit.TotalMilliseconds, cancellationToken))
                throw new TimeoutException("The control session did not answer in time.");
        }
        catch (AggregateException several) when (several.InnerException is { } only)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(only);
        }

        return _done.Task.GetAwaiter().GetResult();
    }
}
