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
        private readonly Lock _lock = new();
        private ITimer? _timer;
        private int _counted;
        private bool _repeats;
        private bool _hasFired;

        public void Start(ITimer timer, TimeSpan dueTime, TimeSpan period)
        {
            _timer = timer;
            Change(dueTime, period);
        }

        public void Fire(object? ignored)
        {
            lock (_lock)
            {
                _hasFired = true;
                if (!_repeats)
                    Count(0);
            }

            callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (_lock)
            {
                (_repeats, _hasFired) = (period > TimeSpan.Zero, false);
                if (dueTime == Timeout.InfiniteTimeSpan)
                    Count(0);
                var isSet = _timer!.Change(dueTime, period);
                // Behind it: whoever counts on a timer that is not set yet moves the clock too early, and it is due one step later than meant.
                if (dueTime != Timeout.InfiniteTimeSpan && (_repeats || !_hasFired))
                    Count(1);
                return isSet;
            }
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
