namespace OmniPg.Jobmon;

/// <summary>Spares callers the wait for a server that is away: after one failure only the background tries, ever less often.</summary>
internal sealed class Circuit(TimeProvider time)
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private TimeSpan _pause = Shortest;
    private long _openedAt;
    private volatile bool _isOpen;

    public bool IsOpen => _isOpen;

    /// <summary>Time until the next try; zero when due.</summary>
    public TimeSpan Remaining
    {
        get
        {
            lock (_lock)
            {
                var left = _pause - time.GetElapsedTime(_openedAt);
                return left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    /// <summary>A try failed: fail fast from now on.</summary>
    public void Open()
    {
        lock (_lock)
        {
            // Before the pause is over nobody tries on purpose: this one had set out before the first failure, and says nothing new.
            if (_isOpen && time.GetElapsedTime(_openedAt) < _pause)
                return;
            _pause = _isOpen ? Min(_pause * 2, Longest) : Shortest;
            _openedAt = time.GetTimestamp();
            _isOpen = true;
        }
    }

    /// <summary>A try succeeded.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isOpen = false;
            _pause = Shortest;
        }
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
