using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A SQL text as a whole job: the original's <c>sql_job</c>.</summary>
internal static class SqlJobs
{
    /// <summary>Runs the text inside a run that has begun; a refusal of the server is a result, everything else is thrown.</summary>
    /// <param name="run">The run.</param>
    /// <param name="sql">The text, for the name of the step.</param>
    /// <param name="execute">Runs it and returns the rows affected.</param>
    /// <param name="cancellationToken">Of the caller.</param>
    public static async Task<SqlJobResult> RunAsync(
        IOwnedRun run, string sql, Func<IStep, CancellationToken, Task<long>> execute, CancellationToken cancellationToken)
    {
        await using var ending = run.ConfigureAwait(false);
        if (!run.Acquired)
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: true, null);
        try
        {
            var rows = await run.StepAsync($"Running sql: {PgLiteral.Quote(sql)}", execute, cancellationToken).ConfigureAwait(false);
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
    }

    /// <summary>Runs the text on a connection of its own, which becomes the work connection of the run.</summary>
    public static async Task<long> ExecuteAsync(IJob run, string sql, NpgsqlDataSource dataSource, TimeSpan limit, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        run.Attach(connection);
        return await SqlText.ExecuteAsync(connection, null, sql, limit, cancellationToken).ConfigureAwait(false);
    }
}
