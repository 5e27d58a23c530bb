using System.Globalization;
using System.Runtime.InteropServices;

namespace OmniPg.Wal.Benchmarks;

/// <summary>Processor time of all programs that this process has started and of theirs, those included that left their parent (pgBackRest's asynchronous process does).</summary>
internal static partial class ProcessorTime
{
    // prctl(2), getrusage(2), waitpid(2) of Linux.
    private const int BecomeReaper = 36;
    private const int OfChildren = -1;
    private const int AnyChild = -1;
    private const int WithoutWaiting = 1;

    // USER_HZ: the same on every Linux that .NET runs on.
    private const double TicksPerSecond = 100;

    /// <summary>From now on orphans of the programs are children of this process.</summary>
    public static void AdoptOrphans()
    {
        if (prctl(BecomeReaper, 1, 0, 0, 0) != 0)
            throw new InvalidOperationException("The processor time of orphans cannot be counted here.");
    }

    /// <summary>User and system time of everything that has ended so far, in seconds. Only while no program runs that somebody waits for: what has ended is collected.</summary>
    public static double OfAllThatEnded()
    {
        while (waitpid(AnyChild, out _, WithoutWaiting) > 0)
        {
        }

        return getrusage(OfChildren, out var usage) == 0
            ? usage.UserSeconds + usage.SystemSeconds + ((usage.UserMicroseconds + usage.SystemMicroseconds) / 1e6)
            : throw new InvalidOperationException("getrusage failed.");
    }

    /// <summary>User and system time of one process that runs, in seconds, to a tick of 10 ms.</summary>
    /// <param name="process">Its number.</param>
    /// <param name="ofChildren">Instead, that of what it has started and waited for: of a server, of the sessions that have ended.</param>
    public static double Of(int process, bool ofChildren = false)
    {
        // proc(5): the name in its brackets may hold blanks. utime, stime, cutime and cstime are the fields 14 to 17 of all, 12 to 15 behind the name.
        var stat = File.ReadAllText($"/proc/{process}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        var at = ofChildren ? 13 : 11;
        return (double.Parse(fields[at], CultureInfo.InvariantCulture) + double.Parse(fields[at + 1], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    [LibraryImport("libc")]
    private static partial int prctl(int option, nint a, nint b, nint c, nint d);

    [LibraryImport("libc")]
    private static partial int waitpid(int process, out int status, int options);

    [LibraryImport("libc")]
    private static partial int getrusage(int who, out Usage usage);

    /// <summary>struct rusage: the two times, and what is not looked at.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 144)]
    private struct Usage
    {
        public long UserSeconds;
        public long UserMicroseconds;
        public long SystemSeconds;
        public long SystemMicroseconds;
    }
}
