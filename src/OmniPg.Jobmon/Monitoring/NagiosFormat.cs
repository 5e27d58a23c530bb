using System.Globalization;
using System.Text;

namespace OmniPg.Jobmon;

/// <summary>Writes a report as the line of a monitoring plugin.</summary>
internal static class NagiosFormat
{
    private const string OfStandby = "answered by a standby, where nobody is seen to run, wait or be dead";

    public static NagiosResult Of(JobCheckReport report)
    {
        var text = new StringBuilder();
        text.Append(Text(report, report.Worst)).Append('(');
        var first = true;
        foreach (var alert in report.Alerts)
        {
            if (!first)
                text.Append(";; ");
            first = false;
            if (alert.JobName is not null)
                text.Append(alert.JobName).Append('(').Append(alert.AlertStatusText).Append("): ");
            text.Append(alert.AlertText);
            if (alert.Lateness is { } lateness)
                text.Append(". ").Append(lateness);
            if (alert.Muted)
                text.Append(" [muted]");
        }
        if (report.OnStandby)
            text.Append(";; ").Append(OfStandby);
        text.Append(')');
        return new NagiosResult(ExitCode(report.Worst), NagiosLine.Of(text.ToString(), PerformanceData(report)));
    }

    /// <summary>0 for level 1, 1 for level 2, 2 for all above.</summary>
    public static int ExitCode(AlertLevel level) => Math.Clamp(level.Code - 1, 0, 2);

    private static string Text(JobCheckReport report, AlertLevel level) =>
        report.StatusTexts.TryGetValue(level.Code, out var text) ? text : level.ToString();

    private static string PerformanceData(JobCheckReport report)
    {
        int Count(JobAlertStatus status) => report.Alerts.Count(a => a.Status == status && !a.Muted);
        return string.Create(CultureInfo.InvariantCulture,
            $"|failed={Count(JobAlertStatus.FailedRun)};;1 missing={Count(JobAlertStatus.Missing)};;1 running={report.RunningJobs} "
            + $"blocked={Count(JobAlertStatus.Blocked)} died={Count(JobAlertStatus.Died)};;1 overdue={Count(JobAlertStatus.Overdue)};1 "
            + $"too_fast={Count(JobAlertStatus.TooFast)};1 stalled={Count(JobAlertStatus.Stalled)};1");
    }
}
