using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Runs a SQL text as a step, on the caller's connection.</summary>
internal static class SqlSteps
{
    private const string Savepoint = "omnipg_jobmon_step";

    /// <summary>Runs the text, and with a transaction so that a failure undoes this text only; returns the rows the server counted.</summary>
    public static Task<long> ExecuteAsync(
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
