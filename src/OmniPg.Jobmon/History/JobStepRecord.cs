namespace OmniPg.Jobmon;

/// <summary>One step of a run: a row of <c>job_detail</c>.</summary>
/// <remarks>
/// From <see cref="ParentStepId"/> on it is what only the SDK records, in the side schema's <c>step</c>: <see langword="null"/> for steps of SQL callers, and
/// without the side schema.
/// </remarks>
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

    /// <summary>From <see cref="StartTime"/> to <see cref="EndTime"/>; <see langword="null"/> while the step is open.</summary>
    public TimeSpan? Duration => EndTime - StartTime;

    /// <summary>Step that this one is nested in; <see langword="null"/> at the top.</summary>
    public long? ParentStepId { get; init; }

    /// <summary>Position among the steps of the run, from 1.</summary>
    public int? Ordinal { get; init; }

    /// <summary>Progress so far, in <see cref="Unit"/>; <see langword="null"/> when the step reports none.</summary>
    public long? Current { get; init; }

    /// <summary>Value of <see cref="Current"/> at which the step is complete; <see langword="null"/> when unknown.</summary>
    public long? Total { get; init; }

    /// <summary>Unit of the progress values, for example <c>rows</c>; <see langword="null"/> for none.</summary>
    public string? Unit { get; init; }

    /// <summary>When the progress was last written, by the server's clock, in UTC; <see langword="null"/> when none was.</summary>
    public DateTimeOffset? ProgressAt { get; init; }

    /// <summary>Rows that the SQL of the step affected; <see langword="null"/> for a step that is no SQL.</summary>
    public long? RowsAffected { get; init; }

    /// <summary>The failure as JSON text, in the shape of <see cref="JobRecord.Error"/>; <see langword="null"/> for none.</summary>
    public string? Error { get; init; }
}
