namespace OmniPg.Jobmon.Testing;

/// <summary>Which single-instance run is at work for each name: the advisory locks of the client, among the runs of one record.</summary>
internal sealed class InstanceHolders(TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, JobEntry> _holders = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Takes the name for a run; false when the run is to be skipped.</summary>
    /// <exception cref="JobAlreadyRunningException">Another run has it, and the options ask for an exception.</exception>
    public async ValueTask<bool> TakeAsync(bool async, JobEntry wanted, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        var options = wanted.Options;
        var wait = options.OnConflict == OnConflict.Wait ? options.WaitTimeout : TimeSpan.Zero;
        while (TryTake(wanted) is { } holder)
        {
            var left = wait - time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero)
                return options.OnConflict == OnConflict.Skip ? false : throw new JobAlreadyRunningException(
                    wanted.Name, holder.Id, null, holder.StartTime);
            if (async)
                await PauseAsync(holder.Released, left, cancellationToken).ConfigureAwait(false);
            else
                // In slices, because the clock may be one that only the test moves.
                Task.WaitAny([holder.Released], Pause);
        }

        return true;
    }

    public void Release(JobEntry holder)
    {
        lock (_gate)
        {
            if (_holders.GetValueOrDefault(holder.Name) == holder)
                _holders.Remove(holder.Name);
        }

        holder.LetNextBegin();
    }

    private JobEntry? TryTake(JobEntry wanted)
    {
        lock (_gate)
            return _holders.TryAdd(wanted.Name, wanted) ? null : _holders[wanted.Name];
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
