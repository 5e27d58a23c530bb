using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OmniPg.Jobmon;

/// <summary>Lets clients write their last progress when the process ends in an orderly way, by signal or by an unhandled exception.</summary>
internal static class ProcessEnd
{
    // A process that is told to end has little time before it is killed, however many clients it has.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private static readonly ConcurrentDictionary<BackgroundPump, byte> Pumps = new();
    private static readonly Lock Installing = new();
    private static List<IDisposable>? _signals;

    public static void Watch(BackgroundPump pump)
    {
        Pumps[pump] = 0;
        lock (Installing)
        {
            if (_signals is not null)
                return;
            AppDomain.CurrentDomain.ProcessExit += static (_, _) => FlushAll();
            AppDomain.CurrentDomain.UnhandledException += static (_, _) => FlushAll();
            // The handler does not cancel the signal: what the host or the runtime does with it stays as it is.
            _signals = OperatingSystem.IsBrowser() || OperatingSystem.IsWasi() || OperatingSystem.IsAndroid() || OperatingSystem.IsIOS()
                ? []
                : [.. new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP }.Select(s => PosixSignalRegistration.Create(s, static _ => FlushAll()))];
        }
    }

    public static void Forget(BackgroundPump pump) => Pumps.TryRemove(pump, out _);

    private static void FlushAll()
    {
        var begun = Stopwatch.GetTimestamp();
        foreach (var flush in Pumps.Keys.Select(pump => pump.BeginLastFlush()).OfType<Thread>().ToArray())
        {
            var left = Limit - Stopwatch.GetElapsedTime(begun);
            // All clients write at the same time, and share what time there is.
            flush.Join(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        }
    }
}
