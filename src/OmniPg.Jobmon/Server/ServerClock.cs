namespace OmniPg.Jobmon;

/// <summary>Maps the monotonic clock of this process to the server's clock, so that events written late still carry server time.</summary>
/// <remarks>Steps of either wall clock between event and anchor do not matter: only the monotonic distance counts.</remarks>
internal sealed class ServerClock(TimeProvider time)
{
    // How far a clock made of quartz may drift: 100 microseconds a second.
    private const long DriftDivisor = 10_000;

    private readonly Lock _setting = new();

    // One object: a reader never sees half of a new anchor.
    private volatile Anchor? _anchor;

    /// <summary>Monotonic mark of now, to be given to <see cref="At"/> later.</summary>
    public long Mark() => time.GetTimestamp();

    /// <summary>Ties both clocks: the server said <paramref name="serverTime"/> between two marks.</summary>
    /// <remarks>
    /// A slow answer does not displace a quick one that says the same more sharply. What cannot be the same clock is another server's, or one
    /// that was set: the newest word holds.
    /// </remarks>
    public void Set(DateTime serverTime, long before, long after)
    {
        var fresh = new Anchor(serverTime, before + ((after - before) / 2), time.GetElapsedTime(before, after) / 2);
        lock (_setting)
        {
            if (_anchor is { } held)
            {
                var age = time.GetElapsedTime(held.Mark, fresh.Mark);
                var known = held.Uncertainty + (age.Duration() / DriftDivisor);
                if (known < fresh.Uncertainty && (held.ServerTime + age - serverTime).Duration() <= known + fresh.Uncertainty)
                    return;
            }

            _anchor = fresh;
        }
    }

    /// <summary>Server time at a mark; null before the first contact.</summary>
    public DateTime? At(long mark) =>
        _anchor is not { } anchor ? null
        : mark <= anchor.Mark ? anchor.ServerTime - time.GetElapsedTime(mark, anchor.Mark)
        : anchor.ServerTime + time.GetElapsedTime(anchor.Mark, mark);

    /// <summary>The mark at which the server's clock showed <paramref name="serverTime"/>; null before the first contact. May lie before the start of this process.</summary>
    public long? MarkOf(DateTime serverTime) => _anchor is { } anchor ? anchor.Mark + Marks(serverTime - anchor.ServerTime) : null;

    /// <summary>The mark at which the wall clock of this machine showed <paramref name="wallTime"/>.</summary>
    public long MarkOfWall(DateTime wallTime) => Mark() - Marks(time.GetUtcNow().UtcDateTime - wallTime);

    /// <summary>What the wall clock of this machine showed at a mark, if it was not set since.</summary>
    public DateTime WallAt(long mark) => time.GetUtcNow().UtcDateTime - time.GetElapsedTime(mark);

    private long Marks(TimeSpan span) =>
        (span.Ticks / TimeSpan.TicksPerSecond * time.TimestampFrequency) + (span.Ticks % TimeSpan.TicksPerSecond * time.TimestampFrequency / TimeSpan.TicksPerSecond);

    private sealed record Anchor(DateTime ServerTime, long Mark, TimeSpan Uncertainty);
}
