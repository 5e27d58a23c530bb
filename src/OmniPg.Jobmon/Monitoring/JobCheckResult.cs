using System.Globalization;
using System.Text;

namespace OmniPg.Jobmon;

/// <summary>Answer to "which jobs failed, are missing, blocked, running or dead?".</summary>
public sealed record JobCheckResult
{
    // Plugins may cut longer lines, so it is done here where it hurts least: in the middle, before the performance data.
    private const int MaxBytes = 4096;
    private const string OfStandby = "answered by a standby, where nobody is seen to run, wait or be dead";

    /// <summary>Worst first, then by job. One row of level 1 without a job when there is nothing to report.</summary>
    public required IReadOnlyList<JobAlert> Alerts { get; init; }

    /// <summary>Highest level among the alerts that are not muted.</summary>
    public required AlertLevel Worst { get; init; }

    /// <summary>When the check looked, by the server's clock, in UTC.</summary>
    public required DateTimeOffset CheckedAt { get; init; }

    /// <summary>Whether a standby answered: who is running, blocked or dead is not visible there.</summary>
    public required bool OnStandby { get; init; }

    /// <summary>Texts of the alert codes, from table <c>job_status_text</c>, ascending by code.</summary>
    public required IReadOnlyDictionary<int, string> StatusTexts { get; init; }

    /// <summary>Unfinished runs that are at work now.</summary>
    public required int RunningJobs { get; init; }

    /// <summary>
    /// Events of jobs of this very client that wait for the server because the log could not be written; 0 for none. What they say is in
    /// no alert yet.
    /// </summary>
    public int WaitingEvents { get; init; }

    /// <summary>What a monitoring plugin says and how it ends: one line of at most 4 KiB with performance data after <c>|</c>; 0 for level 1, 1 for level 2, 2 for all above.</summary>
    public (int ExitCode, string Output) ToNagios()
    {
        var text = new StringBuilder();
        text.Append(StatusTexts.TryGetValue(Worst.Code, out var worst) ? worst : Worst.ToString()).Append('(');
        text.AppendJoin(";; ", Alerts.Select(Text));
        if (OnStandby)
            text.Append(";; ").Append(OfStandby);
        text.Append(')');
        return (Math.Clamp(Worst.Code - 1, 0, 2), Line(text.ToString(), PerformanceData()));
    }

    /// <summary>The line of a plugin for a check that could not be made, <c>UNKNOWN(message)</c>; such a plugin ends with exit code 3.</summary>
    /// <param name="error">What <see cref="IJobMonitor.CheckAsync"/> threw.</param>
    public static string ToNagiosUnknown(Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        return Line($"UNKNOWN({error.Message})", "");
    }

    /// <summary>With more alerts, the all-clear row where there are none at all, and the worst level.</summary>
    internal JobCheckResult With(IEnumerable<JobAlert> more)
    {
        var alerts = Alerts.ToList();
        var found = alerts.Count;
        alerts.AddRange(more);
        if (alerts.Count > found)
        {
            // A stable sort: what the server sorted with its own collation stays in its order within a level.
            alerts = [.. alerts.OrderByDescending(a => a.Level.Code)];
        }
        if (alerts.Count == 0)
            alerts.Add(JobAlert.Of(null, AlertLevel.Ok, JobAlertStatus.Ok, "All jobs run successfully"));
        var worst = alerts.Where(a => !a.Muted).Select(a => a.Level.Code).DefaultIfEmpty(AlertLevel.Ok.Code).Max();
        return this with { Alerts = alerts, Worst = new AlertLevel(worst) };
    }

    private static string Text(JobAlert alert) => string.Concat(
        alert.JobName is null ? "" : $"{alert.JobName}({alert.AlertStatusText}): ", alert.AlertText, alert.Lateness is { } lateness ? ". " + lateness : "",
        alert.Muted ? " [muted]" : "");

    private string PerformanceData()
    {
        int Count(JobAlertStatus status) => Alerts.Count(a => a.Status == status && !a.Muted);
        return string.Create(CultureInfo.InvariantCulture,
            $"|failed={Count(JobAlertStatus.FailedRun)};;1 missing={Count(JobAlertStatus.Missing)};;1 running={RunningJobs} "
            + $"blocked={Count(JobAlertStatus.Blocked)} died={Count(JobAlertStatus.Died)};;1 overdue={Count(JobAlertStatus.Overdue)};1 "
            + $"too_fast={Count(JobAlertStatus.TooFast)};1 stalled={Count(JobAlertStatus.Stalled)};1");
    }

    /// <summary>One line without control characters, cut to 4 KiB of UTF-8.</summary>
    private static string Line(string text, string performanceData)
    {
        var line = string.Concat(text.Select(static c => char.IsControl(c) ? ' ' : c == '|' ? '/' : c));
        var room = MaxBytes - Encoding.UTF8.GetByteCount(performanceData);
        if (Encoding.UTF8.GetByteCount(line) > room)
            line = TextGuard.Head(line, room - "...".Length).Text + "...";
        return line + performanceData;
    }
}
