namespace OmniPg.Mimeo;

/// <summary>Keeps the copies out of one source, all of them together, at a number of bytes per second.</summary>
internal sealed class Throttle(long bytesPerSecond, TimeProvider time)
{
    private readonly Lock _lock = new();
    private long _paidUntil = time.GetTimestamp();

    /// <summary>Counts bytes that were copied.</summary>
    /// <returns>How long whoever has copied them has to wait before the next ones; what was not used before is not saved up.</returns>
    public TimeSpan Take(long bytes)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            _paidUntil = Math.Max(_paidUntil, now) + (long)(bytes * (double)time.TimestampFrequency / bytesPerSecond);
            return time.GetElapsedTime(now, _paidUntil);
        }
    }
}
