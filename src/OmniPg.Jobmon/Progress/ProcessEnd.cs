using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace OmniPg.Jobmon;

/// <summary>Lets clients write their last progress when the process ends in an orderly way, by signal or by an unhandled exception.</summary>
internal static class ProcessEnd
{
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
        foreach (var (pump, _) in Pumps)
            pump.FlushBeforeExit();
    }
}
