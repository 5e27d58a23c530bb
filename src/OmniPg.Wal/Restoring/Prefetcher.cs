using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Keeps the next segments ready in the spool, several at a time, until the server asks for nothing new any more.</summary>
internal sealed class Prefetcher(
    WalPrefetchOptions options, WalSpool.Folder spool, CopyFetcher fetcher, WalExpectations expectations, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan PauseAfterMiss = TimeSpan.FromSeconds(1);

    private readonly Dictionary<WalFileName, Task<bool>> _running = [];
    private WalFileName _position;
    private long _lastAsked = time.GetTimestamp();
    private long? _missedAt;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        spool.Inherit();
        try
        {
            while (Follow() is { } size)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await HarvestAsync().ConfigureAwait(false);
                Start(size, cancellationToken);
                await Task.WhenAny([.. _running.Values, Task.Delay(PollInterval, time, cancellationToken)]).ConfigureAwait(false);
            }

            // The recovery is over or pauses for long: nobody fetches what is left here.
            spool.Clean(below: ulong.MaxValue);
        }
        finally
        {
            await ((Task)Task.WhenAll(_running.Values)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Notes a new position. Null when the server has asked for nothing new for so long that the run is over.</summary>
    private WalSegmentSize? Follow()
    {
        if (spool.ReadPosition() is not { } asked)
            return null;
        if (asked.Name != _position)
        {
            (_position, _lastAsked, _missedAt) = (asked.Name, time.GetTimestamp(), null);
            spool.Clean(asked.Name.Position);
        }

        return time.GetElapsedTime(_lastAsked) < options.IdleTimeout ? asked.Size : null;
    }

    private void Start(WalSegmentSize size, CancellationToken cancellationToken)
    {
        if (_missedAt is { } missed && time.GetElapsedTime(missed) < PauseAfterMiss)
            return;
        var next = _position;
        var ahead = Math.Max(options.MaxParallelism, options.QueueMaxBytes / size.Bytes);
        for (var i = 0L; i < ahead && _running.Count < options.MaxParallelism; i++)
        {
            next = next.Next(size);
            if (!_running.ContainsKey(next) && !spool.Holds(next))
                _running.Add(next, FetchAsync(next, cancellationToken));
        }
    }

    private async Task HarvestAsync()
    {
        foreach (var (name, task) in _running.Where(r => r.Value.IsCompleted).ToArray())
        {
            _running.Remove(name);
            // Fetched once more when the server had asked for it already: nobody takes it any more.
            spool.Clean(_position.Position);
            if (!await task.ConfigureAwait(false))
                _missedAt = time.GetTimestamp();
        }
    }

    /// <returns>False when the segment is not there yet or cannot be had; the server's own request will say why.</returns>
    private async Task<bool> FetchAsync(WalFileName name, CancellationToken cancellationToken)
    {
        try
        {
            // Off this thread: decompression is work, and several shall run at the same time.
            var copy = await Task.Run(() => fetcher.FetchAsync(name, spool.PathOf(name), expectations, cancellationToken), cancellationToken).ConfigureAwait(false);
            if (copy is null)
                return false;
            await using (copy.ConfigureAwait(false))
            {
                if (copy.Look() is { } file)
                    spool.WriteOk(name, file);
                copy.Publish();
                WalLog.Prefetched(log, name);
                return true;
            }
        }
        catch (OmniPgException e)
        {
            WalLog.PrefetchFailed(log, name, e.Message);
            return false;
        }
    }
}
