namespace OmniPg.Wal;

/// <summary>Holds copies back so that all that share this read no more bytes per second than is allowed. Thread-safe.</summary>
/// <param name="bytesPerSecond">The rate.</param>
/// <param name="time">Clock of the waits.</param>
internal sealed class RateLimit(long bytesPerSecond, TimeProvider time)
{
    /// <summary>The least rate: below it a single buffer would take longer than stores wait.</summary>
    public const long Least = 32 << 10;

    // What is read at once is a part of a second's worth, so that a store that is fed sees no long pauses.
    private readonly int _piece = (int)Math.Clamp(bytesPerSecond / 8, 4 << 10, 1 << 20);
    private readonly Lock _gate = new();
    private long _due = time.GetTimestamp();

    /// <summary>The source that reads another one at this rate, and owns it; the source itself where there is no limit.</summary>
    public static ICopySource Over(ICopySource source, RateLimit? limit) => limit is null ? source : new LimitedSource(source, limit);

    public static RateLimit? Of(long? bytesPerSecond, TimeProvider time) => bytesPerSecond is { } rate ? new RateLimit(rate, time) : null;

    /// <returns>How long it took.</returns>
    private async ValueTask<TimeSpan> WaitForAsync(int bytes, CancellationToken cancellationToken)
    {
        TimeSpan wait;
        lock (_gate)
        {
            // Time in which nothing was read is not made up for.
            var now = time.GetTimestamp();
            _due = Math.Max(_due, now) + (long)((double)bytes / bytesPerSecond * time.TimestampFrequency);
            wait = time.GetElapsedTime(now, _due);
        }

        if (wait < TimeSpan.FromMilliseconds(1))
            return TimeSpan.Zero;
        await Task.Delay(wait, time, cancellationToken).ConfigureAwait(false);
        return wait;
    }

    private sealed class LimitedSource(ICopySource inner, RateLimit limit) : ICopySource
    {
        public long? Length => inner.Length;

        public DateTimeOffset? Modified => inner.Modified;

        public TimeSpan HeldBack { get; private set; }

        public async ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
        {
            var count = await inner.ReadAsync(target[..Math.Min(target.Length, limit._piece)], cancellationToken).ConfigureAwait(false);
            HeldBack += await limit.WaitForAsync(count, cancellationToken).ConfigureAwait(false);
            return count;
        }

        public void VerifyUnchanged(long bytesRead) => inner.VerifyUnchanged(bytesRead);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
