using System.Collections.Concurrent;

namespace OmniPg.Jobmon;

/// <summary>One log line per cause and minute.</summary>
internal sealed class ErrorThrottle(TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);
    // Never swept: causes are SQLSTATEs and names of types, of which there are few.
    private readonly ConcurrentDictionary<string, long> _last = new();

    public bool MayLog(string cause)
    {
        var now = time.GetTimestamp();
        while (true)
        {
            if (_last.TryAdd(cause, now))
                return true;
            var last = _last[cause];
            if (time.GetElapsedTime(last, now) < Pause)
                return false;
            if (_last.TryUpdate(cause, now, last))
                return true;
        }
    }
}
