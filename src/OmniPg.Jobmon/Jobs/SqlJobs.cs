using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Runs a SQL text as a whole job.</summary>
internal static class SqlJobs
{
    /// <summary>Runs the text inside a run that has begun; a refusal of the server is a result, everything else is thrown.</summary>
    public static async Task<SqlJobResult> RunAsync(
        JobRun run, string sql, NpgsqlDataSource? dataSource, TimeSpan limit, CancellationToken cancellationToken)
    {
        await using var ending = run.ConfigureAwait(false);
        if (!run.Acquired)
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: true, null);
        try
        {
            var rows = await run.StepAsync($"Running sql: {PgLiteral.Quote(sql)}", ExecuteAsync, cancellationToken).ConfigureAwait(false);
            await run.CompleteAsync(cancellationToken: CancellationToken.None).ConfigureAwait(false);
            return new SqlJobResult(run.JobId, Succeeded: true, rows, Skipped: false, null);
        }
        catch (Exception error)
        {
            await run.EndWithAsync(error, cancellationToken).ConfigureAwait(false);
            // The original answers errors of the SQL with a text; what the caller did wrong is no answer.
            if (error is not NpgsqlException)
                throw;
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: false, error);
        }

        async Task<long> ExecuteAsync(IStep step, CancellationToken token)
        {
            var rows = run.Runtime.SqlAnswer is { } answer ? StepRun.Answer(answer, sql, token) : await OnOwnConnectionAsync(token).ConfigureAwait(false);
            await ((StepRun)step).EndSqlAsync(rows).ConfigureAwait(false);
            return rows;
        }

        // On a connection of its own, which becomes the work connection of the run.
        async Task<long> OnOwnConnectionAsync(CancellationToken token)
        {
            var connection = await dataSource!.OpenConnectionAsync(token).ConfigureAwait(false);
            await using var closing = connection.ConfigureAwait(false);
            run.Attach(connection);
            return await PlainStatements.ExecuteTextAsync(connection, sql, (int)Math.Ceiling(limit.TotalSeconds), token).ConfigureAwait(false);
        }
    }
}
