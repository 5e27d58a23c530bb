using System.Runtime.InteropServices;

namespace OmniPg.Cli;

/// <summary>Signals between processes, as far as the runtime does not offer them.</summary>
internal static partial class NativeSignals
{
    public const int Terminate = 15;

    private const int Pipe = 13;

    private static readonly Dictionary<int, string> Names = new()
    {
        [1] = "SIGHUP", [2] = "SIGINT", [3] = "SIGQUIT", [4] = "SIGILL", [6] = "SIGABRT", [8] = "SIGFPE", [9] = "SIGKILL", [11] = "SIGSEGV",
        [Pipe] = "SIGPIPE", [14] = "SIGALRM", [Terminate] = "SIGTERM",
    };

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

    /// <summary>The signal that an exit code above 128 stands for, in brackets; empty when it stands for none.</summary>
    public static string Suffix(int exitCode) => Names.TryGetValue(exitCode - 128, out var name) ? $" ({name})" : "";

    public static void Send(int processId, int signal)
    {
        // The only failure that can happen here, a process that has just ended, needs no answer.
        if (!OperatingSystem.IsWindows())
            _ = Kill(processId, signal);
    }

    /// <summary>Whether this process is in the group that gets what is typed at the terminal, such as Ctrl-C.</summary>
    public static bool IsForeground() => !OperatingSystem.IsWindows() && !Console.IsInputRedirected && ForegroundGroup(0) == OwnGroup();

    /// <summary>Lets programs started from now on end at a closed pipe, as they do below a shell.</summary>
    /// <remarks>
    /// The runtime ignores SIGPIPE, and what is ignored stays ignored in every program it starts: <c>yes | head</c> in a script would
    /// complain instead of ending. What has a handler is not inherited, so the signal gets one that does nothing: <c>abs</c> of the C library.
    /// </remarks>
    public static void KeepPipeSignalFromChildren()
    {
        if (!OperatingSystem.IsWindows() && NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "abs", out var nothing))
            _ = Handle(Pipe, nothing);
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint Handle(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "tcgetpgrp")]
    private static partial int ForegroundGroup(int descriptor);

    [LibraryImport("libc", EntryPoint = "getpgrp")]
    private static partial int OwnGroup();
}
