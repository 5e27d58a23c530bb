using System.Runtime.InteropServices;

namespace OmniPg.Cli;

/// <summary>Sends a signal to another process.</summary>
internal static partial class NativeSignals
{
    public const int Terminate = 15;

    /// <summary>SIGSTOP, which cannot be caught; its number differs between the systems.</summary>
    public static int Stop => OperatingSystem.IsLinux() ? 19 : 17;

    /// <summary>The signal's number; the same on Linux and macOS for these.</summary>
    public static int NumberOf(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => 1,
        PosixSignal.SIGINT => 2,
        PosixSignal.SIGQUIT => 3,
        _ => Terminate,
    };

    public static void Send(int processId, int signal)
    {
        // The only failure that can happen here, a process that has just ended, needs no answer.
        if (!OperatingSystem.IsWindows())
            _ = Kill(processId, signal);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
