namespace OmniPg.Jobmon;

/// <summary>Outcome of <see cref="IJob.SqlStepAsync(string, string, Npgsql.NpgsqlConnection, Npgsql.NpgsqlTransaction?, CancellationToken)"/>.</summary>
/// <param name="StepId">Id of the step; null while the log could not be written.</param>
/// <param name="RowsAffected">Rows counted by the server over all statements, SELECT included.</param>
public sealed record SqlStepResult(long? StepId, long RowsAffected);
