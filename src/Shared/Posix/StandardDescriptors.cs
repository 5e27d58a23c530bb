using System.Runtime.InteropServices;

namespace OmniPg.Shared;

/// <summary>
/// Which of the descriptors 0 to 2 this process was really given. A closed one is taken by whatever the process opens next: messages would then
/// be written into that file, or, on Linux, into the pipe through which the runtime tells itself of signals.
/// </summary>
internal static class StandardDescriptors
{
    public const int Output = 1;
    public const int Error = 2;

    // For the life of the process: no file may get one of the three numbers any more.
    private static readonly List<SafeHandle> Held = [];

    /// <summary>Whether the descriptor came from the parent: what the process opened itself closes on exec, which nothing that was handed over can.</summary>
    public static bool IsGiven(int descriptor) => OperatingSystem.IsWindows() || Posix.ControlDescriptor(descriptor, Posix.GetDescriptorFlags) is >= 0 and var flags && (flags & Posix.DescriptorClosesOnExec) == 0;

    /// <summary>Fills the closed ones among the three with nothing. To be called before anything else is opened.</summary>
    public static void HoldClosed()
    {
        for (var descriptor = 0; descriptor <= Error && !OperatingSystem.IsWindows(); descriptor++)
        {
            // The lowest free number is taken.
            if (Posix.ControlDescriptor(descriptor, Posix.GetDescriptorFlags) < 0)
                Held.Add(File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite));
        }
    }
}
