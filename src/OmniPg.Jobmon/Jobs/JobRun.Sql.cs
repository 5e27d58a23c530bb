using Npgsql;

namespace OmniPg.Jobmon;

/// <content>SQL texts as steps.</content>
internal sealed partial class JobRun
{
    private const string Savepoint = "omnipg_jobmon_step";

    public Task<SqlStepResult> SqlStepAsync(
        string action, string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(sql);
        ArgumentNullException.ThrowIfNull(connection);
        cancellationToken.ThrowIfCancellationRequested();
        return RunSqlStepAsync(NewStep(action, null), sql, connection, transaction, cancellationToken);
    }

    private static async Task<SqlStepResult> RunSqlStepAsync(
        StepRun step, string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction, CancellationToken cancellationToken)
    {
        long rows = 0;
        await using var ended = step.ConfigureAwait(false);
        await step.RunAsync(
            async (_, token) =>
            {
                rows = transaction is null
                    ? await SqlText.ExecuteAsync(connection, null, sql, TimeSpan.Zero, token).ConfigureAwait(false)
                    : await ExecuteAtSavepointAsync(connection, transaction, sql, token).ConfigureAwait(false);
                await step.EndSqlAsync(rows).ConfigureAwait(false);
                return rows;
            },
            cancellationToken).ConfigureAwait(false);
        return new SqlStepResult(step.StepId, rows);
    }

    /// <summary>As the original's exception block: a failure undoes this SQL only.</summary>
    private static async Task<long> ExecuteAtSavepointAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, string sql, CancellationToken cancellationToken)
    {
        await transaction.SaveAsync(Savepoint, cancellationToken).ConfigureAwait(false);
        try
        {
            var rows = await SqlText.ExecuteAsync(connection, transaction, sql, TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
            await transaction.ReleaseAsync(Savepoint, CancellationToken.None).ConfigureAwait(false);
            return rows;
        }
        catch
        {
            if (connection.FullState == System.Data.ConnectionState.Open)
                await transaction.RollbackAsync(Savepoint, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }
}
