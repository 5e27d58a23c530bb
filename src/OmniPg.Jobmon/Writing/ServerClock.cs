namespace OmniPg.Jobmon;

/// <summary>Maps the monotonic clock of this process to the server's clock, so that events written late still carry server time.</summary>
/// <remarks>Steps of either wall clock between event and anchor do not matter: only the monotonic distance counts.</remarks>
internal sealed class ServerClock(TimeProvider time)
{
    private volatile Anchor? _anchor;

    /// <summary>Monotonic mark of now, to be given to <see cref="At"/> later.</summary>
    public long Mark() => time.GetTimestamp();

    /// <summary>Ties both clocks: the server said <paramref name="serverTime"/> between two marks.</summary>
    public void Set(DateTime serverTime, long before, long after) => _anchor = new Anchor(serverTime, before + ((after - before) / 2));

    /// <summary>Server time at a mark; null before the first contact.</summary>
    public DateTime? At(long mark) =>
        _anchor is not { } anchor ? null
        : mark <= anchor.Mark ? anchor.ServerTime - time.GetElapsedTime(mark, anchor.Mark)
        : anchor.ServerTime + time.GetElapsedTime(anchor.Mark, mark);

    private sealed record Anchor(DateTime ServerTime, long Mark);
}
