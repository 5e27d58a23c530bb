using System.Collections.Concurrent;
using System.Diagnostics;

namespace OmniPg.Testing;

/// <summary>Collects the ended spans of one activity source.</summary>
public sealed class ActivityRecorder : IDisposable
{
    private readonly ConcurrentQueue<Activity> _ended = new();
    private readonly ActivityListener _listener;

    /// <summary>Starts to listen.</summary>
    /// <param name="sourceName">Name of the source, such as <c>OmniPg.Wal</c>.</param>
    public ActivityRecorder(string sourceName)
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == sourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>Ended spans, in the order in which they ended.</summary>
    public IReadOnlyList<Activity> Ended => [.. _ended];

    /// <summary>Stops listening.</summary>
    public void Dispose() => _listener.Dispose();
}
