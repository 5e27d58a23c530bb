using System.Text;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>How the resident mode works through what PostgreSQL has made ready.</summary>
public sealed class WalResidentOptions : ICheckedOptions
{
    // sun_path of sockaddr_un has 108 bytes on Linux, the last of them a NUL.
    private const int LongestSocketPath = 107;

    /// <summary>Directory for answers, on a local disk; <c>push</c> below it is made. Losing it costs only repeated work. Required.</summary>
    public string SpoolDirectory { get; set; } = "";

    /// <summary>Unix socket on which an <c>archive_command</c> asks; at most 107 bytes. <see langword="null"/> (default) opens none: the spool answers alone.</summary>
    public string? SocketPath { get; set; }

    /// <summary>How many files are archived side by side. Default: the number of processors, 2 to 8. Range 1–64.</summary>
    public int ProcessMax { get; set; } = Math.Clamp(Environment.ProcessorCount, 2, 8);

    /// <summary>Pause between two looks into <c>archive_status</c> when there was nothing to do. Default 250 ms.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Time for files under way to finish when the mode is stopped. Default 5 s; zero stops them at once.</summary>
    public TimeSpan StopGrace { get; set; } = TimeSpan.FromSeconds(5);

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.NotEmpty(SpoolDirectory);
        check.That(SocketPath is null || Encoding.UTF8.GetByteCount(SocketPath) <= LongestSocketPath, $"SocketPath '{SocketPath}' is longer than the '{LongestSocketPath}' bytes that the operating system allows.");
        check.Range(ProcessMax, 1, 64);
        check.Positive(PollInterval);
        check.NotNegative(StopGrace);
    }
}
