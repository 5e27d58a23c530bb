using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Runs a SQL text of the caller, as a whole job or as a step.</summary>
internal static class SqlText
{
    private const string Savepoint = "omnipg_jobmon_step";

    /// <summary>Runs the text inside a run that has begun; a refusal of the server is a result, everything else is thrown.</summary>
    public static async Task<SqlJobResult> RunJobAsync(
        JobRun run, string sql, NpgsqlDataSource? dataSource, TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            // The caller's own token: the step joins it with that of the run.
            var done = await run.RunAsync(
                (_, _) => run.SqlStepAsync($"Running sql: {PgLiteral.Quote(sql)}", sql, OnOwnConnectionAsync, cancellationToken),
                cancellationToken).ConfigureAwait(false);
            return new SqlJobResult(run.JobId, run.Acquired, done?.RowsAffected ?? 0, Skipped: !run.Acquired, null);
        }
        catch (NpgsqlException error)
        {
            // The original answers errors of the SQL with a text; what the caller did wrong is no answer.
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: false, error);
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

    /// <summary>Runs the text, and with a transaction so that a failure undoes this text only; returns the rows the server counted.</summary>
    public static Task<long> RunStepAsync(
        string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction, CancellationToken cancellationToken) => transaction is null
        ? PlainStatements.ExecuteTextAsync(connection, sql, 0, cancellationToken)
        : ExecuteAtSavepointAsync(connection, transaction, sql, cancellationToken);

    /// <summary>As the original's exception block: a failure undoes this SQL only.</summary>
    private static async Task<long> ExecuteAtSavepointAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, string sql, CancellationToken cancellationToken)
    {
        await transaction.SaveAsync(Savepoint, cancellationToken).ConfigureAwait(false);
        try
        {
            var rows = await PlainStatements.ExecuteTextAsync(connection, sql, 0, cancellationToken).ConfigureAwait(false);
            await transaction.ReleaseAsync(Savepoint, CancellationToken.None).ConfigureAwait(false);
            return rows;
        }
        catch
        {
            // On a broken connection the rollback would throw in place of the reason.
            if (connection.FullState == System.Data.ConnectionState.Open)
                await transaction.RollbackAsync(Savepoint, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }
}
