using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Runs SQL given by users.</summary>
internal static class SqlText
{
    /// <summary>Runs all statements to the end; returns the rows the server counted, SELECT included.</summary>
    public static async Task<long> ExecuteAsync(
        NpgsqlConnection connection, NpgsqlTransaction? transaction, string sql, TimeSpan timeout, CancellationToken cancellationToken)
    {
        // The text is the caller's own SQL: running it is what was asked for.
#pragma warning disable CA2100
        var command = new NpgsqlCommand(sql, connection, transaction) { CommandTimeout = (int)Math.Ceiling(timeout.TotalSeconds) };
#pragma warning restore CA2100
        await using var disposing = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = reader.ConfigureAwait(false);
        do
        {
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
            }
        }
        while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false));
#pragma warning disable CS0618 // The batch API takes one statement per command; this text may hold several, and only here SELECTs are counted.
        return reader.Statements.Sum(s => (long)s.Rows);
#pragma warning restore CS0618
    }
}
