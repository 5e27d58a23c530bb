using Microsoft.Extensions.Time.Testing;

namespace OmniPg.Testing;

/// <summary>A fake clock that also tells how many timers wait on it: lets a test see that the code under test has begun to wait.</summary>
public sealed class WaitableTimeProvider(DateTimeOffset start) : FakeTimeProvider(start)
{
    private int _waiting;

    /// <summary>A clock that stands at 2026-01-01 00:00 UTC.</summary>
    public WaitableTimeProvider()
        : this(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero))
    {
    }

    /// <summary>Timers that have neither fired for the last time nor been disposed.</summary>
    public int WaitingTimers => Volatile.Read(ref _waiting);

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new CountedTimer(this, callback, state);
        timer.Start(base.CreateTimer(timer.Fire, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan), dueTime, period);
        return timer;
    }

    private sealed class CountedTimer(WaitableTimeProvider clock, TimerCallback callback, object? state) : ITimer
    {
        private ITimer? _timer;
        private int _counted;
        private bool _repeats;

        public void Start(ITimer timer, TimeSpan dueTime, TimeSpan period)
        {
            _timer = timer;
            Change(dueTime, period);
        }

        public void Fire(object? ignored)
        {
            if (!_repeats)
                Count(0);
            callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _repeats = period > TimeSpan.Zero;
            Count(dueTime == Timeout.InfiniteTimeSpan ? 0 : 1);
            return _timer!.Change(dueTime, period);
        }

        public void Dispose()
        {
            Count(0);
            _timer!.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Count(int waiting) => Interlocked.Add(ref clock._waiting, waiting - Interlocked.Exchange(ref _counted, waiting));
    }
}
