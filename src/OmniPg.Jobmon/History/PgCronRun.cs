namespace OmniPg.Jobmon;

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
