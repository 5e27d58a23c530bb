using System.Globalization;

namespace OmniPg.Jobmon;

/// <summary>One thing that a check found: a row of <c>check_job_status</c>.</summary>
public sealed record JobAlert
{
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
        : LastStart is not { } start ? $"Never started; allowed without a start: {Threshold}"
        : string.Create(CultureInfo.InvariantCulture,
            $"Last start: {start.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z; allowed without a start: {Threshold}; late by {Whole(Late ?? TimeSpan.Zero)}");

    private static string Whole(TimeSpan late) => late.ToString(late.TotalDays >= 1 ? @"d'd 'h\:mm\:ss" : @"h\:mm\:ss", CultureInfo.InvariantCulture);
}
