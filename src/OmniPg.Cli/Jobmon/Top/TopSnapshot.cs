using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>What <c>jobmon top</c> knows at one moment.</summary>
/// <param name="Running">Runs at work, the newest first, each with its open steps.</param>
/// <param name="Recent">The newest runs that have ended.</param>
/// <param name="Report">The last check. It is made less often than the rest is read, because it costs the server more.</param>
/// <param name="Now">The server's clock.</param>
internal sealed record TopSnapshot(IReadOnlyList<TopRun> Running, IReadOnlyList<JobRecord> Recent, JobCheckResult Report, DateTimeOffset Now)
{
    /// <summary>Runs at work, also those that were not read.</summary>
    public int RunningJobs => Math.Max(Report.RunningJobs, Running.Count);

    /// <summary>What is not in order.</summary>
    public IReadOnlyList<JobAlert> Alerts => [.. Report.Alerts.Where(a => a.JobName is not null)];

    /// <summary>The text of a level as the log's own table has it.</summary>
    public string Text(AlertLevel level) => Report.StatusTexts.TryGetValue(level.Code, out var text) ? text : level.ToString();
}
