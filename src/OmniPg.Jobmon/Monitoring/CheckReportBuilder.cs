using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Turns rows of the check into a report.</summary>
internal static class CheckReportBuilder
{
    public static JobAlert Alert(NpgsqlDataReader row)
    {
        var mutedUntil = row.Instant(4);
        return new JobAlert
        {
            Level = new AlertLevel(row.GetInt32(0)),
            Status = Parse(row.GetString(1)),
            AlertStatusText = row.GetString(1),
            JobName = row.GetString(2),
            AlertText = row.GetString(3),
            Muted = mutedUntil is not null,
            MutedUntil = mutedUntil,
            LastStart = row.Instant(5),
            Threshold = row.Text(6),
            Late = row.IsDBNull(7) ? null : TimeSpan.FromSeconds(row.GetDouble(7)),
        };
    }

    /// <summary>Adds more alerts, the all-clear row where there are none at all, and the worst level.</summary>
    public static JobCheckReport Finish(JobCheckReport report, IEnumerable<JobAlert> more)
    {
        var alerts = report.Alerts.ToList();
        var found = alerts.Count;
        alerts.AddRange(more);
        if (alerts.Count > found)
        {
            // A stable sort: what the server sorted with its own collation stays in its order within a level.
            alerts = [.. alerts.OrderByDescending(a => a.Level.Code)];
        }
        if (alerts.Count == 0)
        {
            alerts.Add(new JobAlert
            {
                Level = AlertLevel.Ok, Status = JobAlertStatus.Ok, AlertStatusText = "OK", AlertText = "All jobs run successfully",
            });
        }
        var worst = alerts.Where(a => !a.Muted).Select(a => a.Level.Code).DefaultIfEmpty(AlertLevel.Ok.Code).Max();
        return report with { Alerts = alerts, Worst = new AlertLevel(worst) };
    }

    private static JobAlertStatus Parse(string text) => text switch
    {
        "OK" => JobAlertStatus.Ok,
        "FAILED_RUN" => JobAlertStatus.FailedRun,
        "MISSING" => JobAlertStatus.Missing,
        "RUNNING" or "RUNNING (unverified)" => JobAlertStatus.Running,
        "BLOCKED" => JobAlertStatus.Blocked,
        "DIED" => JobAlertStatus.Died,
        "OVERDUE" => JobAlertStatus.Overdue,
        "TOO_FAST" => JobAlertStatus.TooFast,
        "STALLED" => JobAlertStatus.Stalled,
        _ => JobAlertStatus.Other,
    };
}
