namespace OmniPg.Jobmon;

/// <summary>One step of a run: a row of <c>job_detail</c>.</summary>
public sealed record JobStepRecord
{
    /// <summary>Run that the step belongs to.</summary>
    public required long JobId { get; init; }

    /// <summary>Identity of the step.</summary>
    public required long StepId { get; init; }

    /// <summary>What the step does.</summary>
    public required string Action { get; init; }

    /// <summary>Start of the step by the server's clock, in UTC.</summary>
    public required DateTimeOffset StartTime { get; init; }

    /// <summary>
    /// End of the step by the server's clock, in UTC; <see langword="null"/> while it is open. A step of a SQL caller has the time of its
    /// last <c>update_step</c> here.
    /// </summary>
    public DateTimeOffset? EndTime { get; init; }

    /// <summary>Column <c>elapsed_time</c>, in seconds with the precision of a <c>real</c>; <see cref="Duration"/> is exact.</summary>
    public float? ElapsedSeconds { get; init; }

    /// <summary>Status text; <c>PENDING</c> while the step reports progress, <see langword="null"/> before the first report.</summary>
    public string? Status { get; init; }

    /// <summary>Message of the last report or of the outcome; <see langword="null"/> for none.</summary>
    public string? Message { get; init; }

    /// <summary>What only the SDK records; <see langword="null"/> for steps of SQL callers and without the side schema.</summary>
    public StepInfo? Info { get; init; }

    /// <summary>From <see cref="StartTime"/> to <see cref="EndTime"/>; <see langword="null"/> while the step is open.</summary>
    public TimeSpan? Duration => EndTime - StartTime;
}
