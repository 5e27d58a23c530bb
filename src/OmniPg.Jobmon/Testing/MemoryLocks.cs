namespace OmniPg.Jobmon;

/// <summary>Which single-instance run is at work for each name: the advisory locks of a server, among the runs of one record.</summary>
internal sealed class MemoryLocks(TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (InstanceLock Lock, TaskCompletionSource Released)> _holders = new(StringComparer.OrdinalIgnoreCase);

    public InstanceLock? Holder(string jobName)
    {
        lock (_gate)
            return _holders.TryGetValue(jobName, out var holder) ? holder.Lock : null;
    }

    /// <summary>Takes the name for a run; false when another one has it and, with <paramref name="wait"/>, kept it until then.</summary>
    public async ValueTask<bool> TakeAsync(bool async, InstanceLock wanted, TimeSpan wait, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        while (TryTake(wanted) is { } released)
        {
            var left = wait - time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero)
                return false;
            if (async)
                await PauseAsync(released, left, cancellationToken).ConfigureAwait(false);
            else
                // In slices, because the clock may be one that only the test moves.
                Task.WaitAny([released], Pause);
        }

        return wanted.Held = true;
    }

    public void Release(InstanceLock held)
    {
        lock (_gate)
        {
            if (_holders.TryGetValue(held.JobName, out var holder) && holder.Lock == held && _holders.Remove(held.JobName))
                holder.Released.SetResult();
        }

        held.Held = false;
    }

    /// <summary>Null when it was free; else what completes when its holder gives it back.</summary>
    private Task? TryTake(InstanceLock wanted)
    {
        lock (_gate)
        {
            if (_holders.TryGetValue(wanted.JobName, out var holder))
                return holder.Released.Task;
            _holders[wanted.JobName] = (wanted, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            return null;
        }
    }

    private async Task PauseAsync(Task released, TimeSpan left, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(released, Task.Delay(left, time, stop.Token)).ConfigureAwait(false);
        // A timer left behind would fire into a clock that the test moves later.
        await stop.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }
}
