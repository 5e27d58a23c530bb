using System.Globalization;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One thing that a check found: a row of <c>check_job_status</c>.</summary>
public sealed record JobAlert
{
    // The first text of a kind is the one that is written.
    private static readonly (string Text, JobAlertStatus Status)[] Texts =
    [
        ("OK", JobAlertStatus.Ok), ("FAILED_RUN", JobAlertStatus.FailedRun), ("MISSING", JobAlertStatus.Missing), ("RUNNING", JobAlertStatus.Running),
        ("RUNNING (unverified)", JobAlertStatus.Running), ("BLOCKED", JobAlertStatus.Blocked), ("DIED", JobAlertStatus.Died),
        ("OVERDUE", JobAlertStatus.Overdue), ("TOO_FAST", JobAlertStatus.TooFast), ("STALLED", JobAlertStatus.Stalled),
    ];

    /// <summary>Severity, before muting.</summary>
    public required AlertLevel Level { get; init; }

    /// <summary>Kind of the alert.</summary>
    public required JobAlertStatus Status { get; init; }

    /// <summary>Kind of the alert as the server wrote it, for example <c>RUNNING (unverified)</c>.</summary>
    public required string AlertStatusText { get; init; }

    /// <summary>Job concerned; <see langword="null"/> for the all-clear row.</summary>
    public string? JobName { get; init; }

    /// <summary>What is wrong, for a person.</summary>
    public required string AlertText { get; init; }

    /// <summary>Whether the job is muted: the alert is shown, but does not count.</summary>
    public bool Muted { get; init; }

    /// <summary>End of the muting; <see langword="null"/> when the job is not muted.</summary>
    public DateTimeOffset? MutedUntil { get; init; }

    /// <summary>
    /// Newest start of a job that is <c>MISSING</c>, or was before it turned out to be running; <see langword="null"/> for other alerts and for a job
    /// that never started.
    /// </summary>
    public DateTimeOffset? LastStart { get; init; }

    /// <summary>
    /// The threshold of the rule that such a job has passed, as the server writes intervals; <see langword="null"/> where a schedule is behind the
    /// alert, and for other alerts.
    /// </summary>
    public string? Threshold { get; init; }

    /// <summary>
    /// How long ago a start was due: since the end of <see cref="Threshold"/>, or since the time of the schedule; <see langword="null"/> for other
    /// alerts, and by a threshold for a job that never started.
    /// </summary>
    public TimeSpan? Late { get; init; }

    /// <summary>
    /// For a job that is missing by a threshold: last start, threshold and how late, for a person; <see langword="null"/> for other alerts.
    /// <see cref="AlertText"/>, which is that of the original, says none of it.
    /// </summary>
    public string? Lateness => Status != JobAlertStatus.Missing || Threshold is null ? null
        : LastStart is null ? $"Never started; allowed without a start: {Threshold}"
        : $"Last start: {Instant(LastStart)}; allowed without a start: {Threshold}; late by {Whole(Late ?? TimeSpan.Zero)}";

    /// <summary>A row of the check.</summary>
    internal static JobAlert Read(NpgsqlDataReader row)
    {
        var mutedUntil = row.Instant(4);
        return new JobAlert
        {
            Level = new AlertLevel(row.GetInt32(0)),
            Status = Array.Find(Texts, known => known.Text == row.GetString(1)) is { Text: not null } known ? known.Status : JobAlertStatus.Other,
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

    /// <summary>An alert that is found here and not by the server, with the text that the server writes for its kind.</summary>
    internal static JobAlert Of(string? jobName, AlertLevel level, JobAlertStatus status, string text, DateTimeOffset? mutedUntil = null) => new()
    {
        Level = level, Status = status, AlertStatusText = Array.Find(Texts, known => known.Status == status).Text, JobName = jobName, AlertText = text,
        Muted = mutedUntil is not null, MutedUntil = mutedUntil,
    };

    /// <summary>How texts of alerts tell an instant.</summary>
    internal static string Instant(DateTimeOffset? instant) =>
        instant is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z") : "never";

    private static string Whole(TimeSpan late) => late.ToString(late.TotalDays >= 1 ? @"d'd 'h\:mm\:ss" : @"h\:mm\:ss", CultureInfo.InvariantCulture);
}

/// <summary>Kind of an alert: column <c>alert_status</c> of <c>check_job_status</c>.</summary>
public enum JobAlertStatus
{
    /// <summary><c>OK</c>: nothing to report.</summary>
    Ok,

    /// <summary><c>FAILED_RUN</c>: more failed runs since the last success than allowed.</summary>
    FailedRun,

    /// <summary><c>MISSING</c>: the job did not start within its thresholds or its schedule.</summary>
    Missing,

    /// <summary><c>RUNNING</c>: overdue or failed before, and running now.</summary>
    Running,

    /// <summary><c>BLOCKED</c>: waits for a lock.</summary>
    Blocked,

    /// <summary><c>DIED</c>: the run never ended, and its process is gone.</summary>
    Died,

    /// <summary><c>OVERDUE</c>: runs longer than allowed or than usual.</summary>
    Overdue,

    /// <summary><c>TOO_FAST</c>: the last successful run was shorter than expected.</summary>
    TooFast,

    /// <summary><c>STALLED</c>: alive, but the progress value does not change.</summary>
    Stalled,

    /// <summary>Another text, such as <c>UNKNOWN</c> on a standby.</summary>
    Other,
}
