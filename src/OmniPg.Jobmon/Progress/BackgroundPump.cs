using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon;

/// <summary>One thread of its own that writes progress, retries what could not be written, and reaps dead runs now and then.</summary>
/// <remarks>
/// Not the thread pool: a job that starves the pool must still be seen moving. Without a thread it only knows the open runs, whose progress
/// is then written by whoever looks.
/// </remarks>
internal sealed class BackgroundPump(AutonomousWriter writer, bool threaded, TimeSpan flushInterval, TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<JobRun, byte> _runs = new();
    // A signal that comes while the thread works is kept until it waits again.
    private readonly AutoResetEvent _wake = new(false);
    private readonly Lock _lock = new();
    private Thread? _thread;
    private volatile bool _stopping;
    private Action? _errand;

    public bool IsStopping => _stopping;

    public void Add(JobRun run)
    {
        _runs[run] = 0;
        Start();
    }

    public void Remove(JobRun run) => _runs.TryRemove(run, out _);

    /// <summary>Has one more piece of work done in the background; a waiting one is replaced.</summary>
    public void Run(Action errand)
    {
        Interlocked.Exchange(ref _errand, errand);
        Wake();
    }

    public void Wake()
    {
        Start();
        _wake.Set();
    }

    /// <summary>Begins to write all progress, for the end of the process; null when there is none.</summary>
    /// <remarks>Not on the pump's own thread, which may be waiting for the server with something else.</remarks>
    public Thread? BeginLastFlush()
    {
        if (_runs.IsEmpty)
            return null;
        var flush = new Thread(Guarded(FlushAll)) { IsBackground = true, Name = "OmniPg.Jobmon exit" };
        flush.Start();
        return flush;
    }

    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
        // A statement that hangs ends by its own limit; whoever disposes need not wait for that.
        _thread?.Join(StopLimit);
    }

    private void Start()
    {
        if (_thread is not null || _stopping || !threaded)
            return;
        lock (_lock)
        {
            if (_thread is not null || _stopping)
                return;
            // The flow of whoever starts the thread, with its job and its span, would stay with it for ever.
            using var flow = ExecutionContext.SuppressFlow();
            _thread = new Thread(Loop) { IsBackground = true, Name = "OmniPg.Jobmon writer" };
            _thread.Start();
        }
    }

    private void Loop()
    {
        var flushed = time.GetTimestamp();
        while (!_stopping)
        {
            _wake.WaitOne(UntilNext(time.GetElapsedTime(flushed)));
            if (_stopping)
                return;
            Guarded(() => Interlocked.Exchange(ref _errand, null)?.Invoke())();
            if (writer.HasBacklog && (!writer.IsAway || writer.UntilRetry == TimeSpan.Zero))
                Guarded(writer.Replay)();
            if (time.GetElapsedTime(flushed) < flushInterval)
                continue;
            flushed = time.GetTimestamp();
            writer.SyncSpool();
            Guarded(FlushAll)();
        }
    }

    private TimeSpan UntilNext(TimeSpan sinceFlush)
    {
        if (_runs.IsEmpty && !writer.HasBacklog)
            return Timeout.InfiniteTimeSpan;
        var wait = flushInterval - sinceFlush;
        if (writer.HasBacklog && writer.UntilRetry < wait)
            wait = writer.UntilRetry;
        // Work that is due and cannot be done must not make a busy loop.
        return wait > TimeSpan.FromMilliseconds(10) ? wait : TimeSpan.FromMilliseconds(10);
    }

    /// <summary>Writes the progress of all runs now.</summary>
    public void FlushAll()
    {
        foreach (var (run, _) in _runs)
        {
            // All others would meet the same server.
            if (!run.FlushProgress() && writer.IsAway)
                return;
        }
    }

    private ThreadStart Guarded(Action work) => () =>
    {
        try
        {
            work();
        }
#pragma warning disable CA1031 // The thread must outlive any surprise; the surprise is reported.
        catch (Exception error)
#pragma warning restore CA1031
        {
            JobmonLog.BackgroundFailed(logger, error.Message, error);
        }
    };
}
