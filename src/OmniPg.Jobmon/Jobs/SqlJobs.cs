using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A SQL text as a whole job: the original's <c>sql_job</c>.</summary>
internal static class SqlJobs
{
    /// <summary>Runs the text inside a run that has begun; a refusal of the server is a result, everything else is thrown.</summary>
    public static async Task<SqlJobResult> RunAsync(
        JobRun run, string sql, NpgsqlDataSource dataSource, SqlJobOptions options, CancellationToken cancellationToken)
    {
        await using var ending = run.ConfigureAwait(false);
        if (!run.Acquired)
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: true, null);
        try
        {
            var rows = await run.StepAsync(
                $"Running sql: {PgLiteral.Quote(sql)}",
                (step, token) => ExecuteAsync(run, (StepRun)step, sql, options.DataSource ?? dataSource, options.CommandTimeout, token),
                cancellationToken).ConfigureAwait(false);
            await run.CompleteAsync(cancellationToken: CancellationToken.None).ConfigureAwait(false);
            return new SqlJobResult(run.JobId, Succeeded: true, rows, Skipped: false, null);
        }
        catch (NpgsqlException error)
        {
            await run.EndWithAsync(error, cancellationToken).ConfigureAwait(false);
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: false, error);
        }
        catch (Exception error)
        {
            await run.EndWithAsync(error, cancellationToken).ConfigureAwait(false);
            throw;
        }
    }

    private static async Task<long> ExecuteAsync(
        JobRun run, StepRun step, string sql, NpgsqlDataSource dataSource, TimeSpan limit, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        run.Attach(connection);
        var rows = await SqlText.ExecuteAsync(connection, null, sql, limit, cancellationToken).ConfigureAwait(false);
        await step.EndSqlAsync(rows).ConfigureAwait(false);
        return rows;
    }
}
