namespace OmniPg.Wal;

/// <summary>How the resident mode works through what PostgreSQL has made ready.</summary>
public sealed record WalResidentOptions
{
    /// <summary>Directory for answers, on a local disk; <c>push</c> below it is made. Losing it costs only repeated work.</summary>
    public required string SpoolDirectory { get; init; }

    /// <summary>Unix socket on which an <c>archive_command</c> asks; at most 107 bytes. <see langword="null"/> (default) opens none: the spool answers alone.</summary>
    public string? SocketPath { get; init; }

    /// <summary>How many files are archived side by side. Default: the number of processors, 2 to 8. Range 1–64.</summary>
    public int ProcessMax { get; init; } = Math.Clamp(Environment.ProcessorCount, 2, 8);

    /// <summary>Pause between two looks into <c>archive_status</c> when there was nothing to do. Default 250 ms.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Time for files under way to finish when the mode is stopped. Default 5 s; zero stops them at once.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(5);

    internal void Validate()
    {
        if (string.IsNullOrEmpty(SpoolDirectory))
            throw new WalConfigurationException("The resident mode needs a spool directory.");
        if (ProcessMax is < 1 or > 64)
            throw new WalConfigurationException($"ProcessMax '{ProcessMax}' must be between '1' and '64'.");
        if (PollInterval <= TimeSpan.Zero)
            throw new WalConfigurationException($"PollInterval '{PollInterval}' must be more than zero.");
        if (StopGrace < TimeSpan.Zero)
            throw new WalConfigurationException($"StopGrace '{StopGrace}' must not be negative.");
        if (SocketPath is { } path && System.Text.Encoding.UTF8.GetByteCount(path) > 107)
            throw new WalConfigurationException($"SocketPath '{path}' is longer than '107' bytes.", "Choose a shorter path; the operating system allows no more.");
    }
}
