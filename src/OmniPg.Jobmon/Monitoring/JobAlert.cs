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
}
