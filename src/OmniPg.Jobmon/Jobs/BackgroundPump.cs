using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OmniPg.Jobmon;

/// <summary>One thread of its own that writes progress, retries what could not be written, and reaps dead runs now and then.</summary>
/// <remarks>
/// Not the thread pool: a job that starves the pool must still be seen moving. Without a thread it only knows the open runs, whose progress
/// is then written by whoever looks.
/// </remarks>
internal sealed class BackgroundPump(AutonomousWriter writer, bool threaded, TimeSpan flushInterval, TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(2);

    // A process that is told to end has little time before it is killed, however many clients it has.
    private static readonly TimeSpan ExitLimit = TimeSpan.FromSeconds(2);
    private static readonly ConcurrentDictionary<BackgroundPump, byte> AtExit = new();
    private static readonly Lock Installing = new();
    private static List<IDisposable>? _signals;

    private readonly ConcurrentDictionary<JobRun, byte> _runs = new();
    // A signal that comes while the thread works is kept until it waits again.
    private readonly AutoResetEvent _wake = new(false);
    private readonly BackgroundThread _thread = new("OmniPg.Jobmon writer");
    private Action? _errand;

    public bool IsStopping => _thread.IsStopping;

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

    /// <summary>Has the last progress written, too, when the process ends in an orderly way, by signal or by an unhandled exception.</summary>
    public void WatchProcessEnd()
    {
        AtExit[this] = 0;
        lock (Installing)
        {
            if (_signals is not null)
                return;
            AppDomain.CurrentDomain.ProcessExit += static (_, _) => FlushAtExit();
            AppDomain.CurrentDomain.UnhandledException += static (_, _) => FlushAtExit();
            // The handler does not cancel the signal: what the host or the runtime does with it stays as it is.
            _signals = OperatingSystem.IsBrowser() || OperatingSystem.IsWasi() || OperatingSystem.IsAndroid() || OperatingSystem.IsIOS()
                ? []
                : [.. new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP }.Select(s => PosixSignalRegistration.Create(s, static _ => FlushAtExit()))];
        }
    }

    public void Dispose()
    {
        AtExit.TryRemove(this, out _);
        _thread.Stop(() => _wake.Set(), StopLimit);
    }

    private void Start()
    {
        if (threaded)
            _thread.Start(Loop);
    }

    private void Loop()
    {
        var flushed = time.GetTimestamp();
        while (!IsStopping)
        {
            _wake.WaitOne(UntilNext(time.GetElapsedTime(flushed)));
            if (IsStopping)
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

    public void FlushAll()
    {
        foreach (var (run, _) in _runs)
        {
            // All others would meet the same server.
            if (!run.FlushProgress() && writer.IsAway)
                return;
        }
    }

    private static void FlushAtExit()
    {
        var begun = Stopwatch.GetTimestamp();
        foreach (var flush in AtExit.Keys.Select(pump => pump.BeginLastFlush()).OfType<Thread>().ToArray())
        {
            var left = ExitLimit - Stopwatch.GetElapsedTime(begun);
            // All clients write at the same time, and share what time there is.
            flush.Join(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        }
    }

    // Not on the pump's own thread, which may be waiting for the server with something else. Null when there is no progress to write.
    private Thread? BeginLastFlush()
    {
        if (_runs.IsEmpty)
            return null;
        var flush = new Thread(Guarded(FlushAll)) { IsBackground = true, Name = "OmniPg.Jobmon exit" };
        flush.Start();
        return flush;
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
