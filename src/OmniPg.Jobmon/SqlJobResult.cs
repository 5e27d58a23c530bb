namespace OmniPg.Jobmon;

/// <summary>Outcome of <see cref="IJobmon.RunSqlAsync"/>.</summary>
/// <param name="JobId">Id of the run; null while the log could not be written.</param>
/// <param name="Succeeded">Whether the SQL ran to its end; false when it was skipped.</param>
/// <param name="RowsAffected">Rows counted by the server, SELECT included; 0 when it failed or was skipped.</param>
/// <param name="Skipped">Whether another run of the name was active.</param>
/// <param name="Error">What the SQL failed with; null on success.</param>
public sealed record SqlJobResult(long? JobId, bool Succeeded, long RowsAffected, bool Skipped, Exception? Error)
{
    /// <summary>
    /// The text the original returns, for example <c>Job logged with job id: 7</c>; that of a skipped run names its id in place of the name.
    /// </summary>
    public override string ToString() => (Succeeded, Skipped) switch
    {
        (true, _) => string.Create(null, $"Job logged with job id: {JobId}"),
        (_, true) => string.Create(null, $"Concurrent job found. Obtaining advisory lock FAILED for job id: {JobId}"),
        _ => string.Create(null, $"Job ID {JobId} failed. See job_detail table for more details"),
    };
}

/// <summary>Outcome of <see cref="IJob.SqlStepAsync(string, string, Npgsql.NpgsqlConnection, Npgsql.NpgsqlTransaction?, CancellationToken)"/>.</summary>
/// <param name="StepId">Id of the step; null while the log could not be written.</param>
/// <param name="RowsAffected">Rows counted by the server over all statements, SELECT included.</param>
public sealed record SqlStepResult(long? StepId, long RowsAffected);
