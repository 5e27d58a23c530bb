namespace OmniPg.Jobmon;

/// <summary>One run of a job: a row of <c>job_log</c>, or one of pg_cron.</summary>
/// <remarks>
/// From <see cref="DisplayName"/> on it is what only the SDK records, in the side schema's <c>run</c> and <c>session</c>: <see langword="null"/> for runs of SQL
/// callers and of pg_cron, and without the side schema.
/// </remarks>
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

    /// <summary>What pg_cron records; <see langword="null"/> for a run of the log.</summary>
    public PgCronRun? PgCron { get; init; }

    /// <summary>Time from start to end; <see langword="null"/> while the run is unfinished.</summary>
    public TimeSpan? Duration => EndTime - StartTime;

    /// <summary>Name of the job as the program wrote it.</summary>
    public string? DisplayName { get; init; }

    /// <summary>Run that started this one; <see langword="null"/> for a run of its own.</summary>
    public long? ParentJobId { get; init; }

    /// <summary>Process that runs the job, as named by <see cref="JobmonOptions.ClientName"/>.</summary>
    public string? ClientName { get; init; }

    /// <summary>Host of that process.</summary>
    public string? Host { get; init; }

    /// <summary>Operating system's id of that process.</summary>
    public int? ProcessId { get; init; }

    /// <summary>Last heartbeat of that process, by the server's clock, in UTC.</summary>
    public DateTimeOffset? LastSeen { get; init; }

    /// <summary>Trace that the run belongs to, 32 hex digits; <see langword="null"/> when nothing was traced.</summary>
    public string? TraceId { get; init; }

    /// <summary>Span of the run, or that of its caller when runs are not traced, 16 hex digits; <see langword="null"/> without a trace.</summary>
    public string? SpanId { get; init; }

    /// <summary>Backend of the work connection that the program attached last; <see langword="null"/> for none, and when that was closed before the run ended.</summary>
    public int? WorkPid { get; init; }

    /// <summary>Tags of the run; empty when it has none.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Parameters of the run as the text of one JSON object of strings; <see langword="null"/> for none.</summary>
    public string? Arguments { get; init; }

    /// <summary>
    /// Result values (strings) and counters (numbers) of the run as the text of one JSON object; <see langword="null"/> for none and while
    /// the run is open.
    /// </summary>
    public string? Result { get; init; }

    /// <summary>
    /// The failure as the text of one JSON object; <see langword="null"/> for none. Always with <c>message</c>; for an exception also
    /// <c>type</c>, <c>stack</c>, <c>inner</c> of the same shape, <c>code</c> for one of these packages, and for one of the server
    /// <c>sqlState</c>, <c>severity</c>, <c>detail</c>, <c>hint</c>, <c>where</c>, <c>schema</c>, <c>table</c>, <c>column</c>,
    /// <c>constraint</c>, each only where it is known.
    /// </summary>
    public string? Error { get; init; }

    /// <summary>When cancellation was asked for first, by the server's clock, in UTC; <see langword="null"/> when it was not.</summary>
    public DateTimeOffset? CancelRequestedAt { get; init; }

    /// <summary>Role that asked for cancellation first, and its reason; <see langword="null"/> for nobody.</summary>
    public string? CancelRequestedBy { get; init; }

    /// <summary>When the run was declared dead and closed, by the server's clock, in UTC; <see langword="null"/> when it was not.</summary>
    public DateTimeOffset? ReapedAt { get; init; }
}

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

/// <summary>What pg_cron records about a run: a row of <c>cron.job_run_details</c>.</summary>
public sealed record PgCronRun
{
    /// <summary>Identity of the run, ascending with time: column <c>runid</c>.</summary>
    public required long RunId { get; init; }

    /// <summary>Identity of the job: column <c>jobid</c>. The job itself may be unscheduled by now.</summary>
    public required long JobId { get; init; }

    /// <summary>Command as it was when the run began.</summary>
    public required string Command { get; init; }

    /// <summary>Database that the command ran in.</summary>
    public required string Database { get; init; }

    /// <summary>Result or error in the words of the server, for example <c>1 row</c>; <see langword="null"/> while there is none.</summary>
    public string? Message { get; init; }
}
