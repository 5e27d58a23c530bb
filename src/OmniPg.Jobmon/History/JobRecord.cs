namespace OmniPg.Jobmon;

/// <summary>One run of a job: a row of <c>job_log</c>, or one of pg_cron.</summary>
public sealed record JobRecord
{
    /// <summary>Identity of the run, ascending with time. Negative for a run of pg_cron: its <see cref="PgCronRun.RunId"/> below zero.</summary>
    public required long JobId { get; init; }

    /// <summary>Role that started the run.</summary>
    public required string Owner { get; init; }

    /// <summary>Name of the job, upper-cased by the server.</summary>
    public required string JobName { get; init; }

    /// <summary>Start of the run by the server's clock, in UTC.</summary>
    public required DateTimeOffset StartTime { get; init; }

    /// <summary>End of the run by the server's clock, in UTC; <see langword="null"/> while it is unfinished.</summary>
    public DateTimeOffset? EndTime { get; init; }

    /// <summary>Text of the outcome, from table <c>job_status_text</c>; <see langword="null"/> while the run is unfinished.</summary>
    public string? Status { get; init; }

    /// <summary>Backend at work: the attached one, else that of the process's own session, or of the SQL caller.</summary>
    public required int Pid { get; init; }

    /// <summary>What only the SDK records; <see langword="null"/> for runs of SQL callers and without the side schema.</summary>
    public JobRunInfo? Run { get; init; }

    /// <summary>What pg_cron records; <see langword="null"/> for a run of the log.</summary>
    public PgCronRun? PgCron { get; init; }

    /// <summary>Time from start to end; <see langword="null"/> while the run is unfinished.</summary>
    public TimeSpan? Duration => EndTime - StartTime;
}
