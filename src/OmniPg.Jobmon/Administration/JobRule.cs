namespace OmniPg.Jobmon;

/// <summary>What is stored about the watching of one job: a row of <c>job_check_config</c>, of the side schema's <c>check_rule</c>, or of both.</summary>
public sealed record JobRule
{
    /// <summary>Name of the job, upper case where the rule can match.</summary>
    public required string JobName { get; init; }

    /// <summary>Whether the rule is on. One that is off also silences the default of three failed runs.</summary>
    public required bool Active { get; init; }

    /// <summary>Time without a start that is a warning; <see langword="null"/> without thresholds.</summary>
    public PgInterval? WarnThreshold { get; init; }

    /// <summary>Time without a start that is critical; <see langword="null"/> without thresholds.</summary>
    public PgInterval? ErrorThreshold { get; init; }

    /// <summary>Failed runs that are tolerated; <see langword="null"/> without thresholds.</summary>
    public int? Sensitivity { get; init; }

    /// <summary>Failures from which on the level rises; <see langword="null"/>: never.</summary>
    public int? Escalate { get; init; }

    /// <summary>Cron schedule of the expected starts; <see langword="null"/>: none.</summary>
    public string? Cron { get; init; }

    /// <summary>Time zone of <see cref="Cron"/>; <see langword="null"/>: UTC.</summary>
    public string? TimeZone { get; init; }

    /// <summary>How late a start of the schedule may be; <see langword="null"/>: not at all.</summary>
    public PgInterval? StartGrace { get; init; }

    /// <summary>Longest run time; <see langword="null"/>: no limit.</summary>
    public PgInterval? MaxRuntime { get; init; }

    /// <summary>Shortest run time; <see langword="null"/>: no limit.</summary>
    public PgInterval? MinRuntime { get; init; }

    /// <summary>Multiple of the usual run time that is too long; <see langword="null"/>: no limit.</summary>
    public double? LongerThanUsual { get; init; }

    /// <summary>Longest time without progress; <see langword="null"/>: no limit.</summary>
    public PgInterval? StallAfter { get; init; }

    /// <summary>End of the muting; <see langword="null"/> when the job is not muted now.</summary>
    public DateTimeOffset? MutedUntil { get; init; }

    /// <summary>Who muted it; <see langword="null"/> when it is not muted.</summary>
    public string? MutedBy { get; init; }

    /// <summary>Why it is muted; <see langword="null"/> for no reason or when it is not muted.</summary>
    public string? MutedWhy { get; init; }
}
