namespace OmniPg.Jobmon;

/// <summary>Output of a monitoring plugin.</summary>
/// <param name="ExitCode">0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.</param>
/// <param name="Output">One line of at most 4 KiB, with performance data after <c>|</c>.</param>
public sealed record NagiosResult(int ExitCode, string Output)
{
    /// <summary>The result for a check that could not be made: exit code 3, <c>UNKNOWN(message)</c>.</summary>
    /// <param name="error">What <see cref="IJobMonitor.CheckAsync"/> threw.</param>
    public static NagiosResult Unknown(Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        return new NagiosResult(3, NagiosLine.Of($"UNKNOWN({error.Message})", ""));
    }
}
