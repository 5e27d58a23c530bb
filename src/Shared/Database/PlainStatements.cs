using Npgsql;

namespace OmniPg.Shared;

/// <summary>Sends SQL that the server or a user wrote as it is.</summary>
/// <remarks>
/// The driver cuts the text of a command without parameters at semicolons by rules of its own, those of a <c>BEGIN ATOMIC</c> body included
/// (npgsql/npgsql#4445). The commands of a batch it leaves alone, and the server takes one statement in each.
/// </remarks>
internal static class PlainStatements
{
    /// <summary>Runs the statements of a text one after another, as one transaction unless they or the caller begin one.</summary>
    /// <param name="connection">An open connection; its own <c>standard_conforming_strings</c> says where the statements end.</param>
    /// <param name="text">Any number of statements.</param>
    /// <param name="seconds">Limit for all of them; 0 for none.</param>
    /// <param name="cancellationToken">Cancels them.</param>
    /// <returns>Rows that the server counted, those of SELECT included.</returns>
    public static Task<long> ExecuteTextAsync(NpgsqlConnection connection, string text, int seconds, CancellationToken cancellationToken)
    {
        // The server reports the setting at the start and at every change of it.
        var backslashEscapes = connection.PostgresParameters.TryGetValue("standard_conforming_strings", out var value) && value == "off";
        return ExecuteAsync(connection, StatementSplitter.Split(text, backslashEscapes).Select(static s => s.Text), seconds, cancellationToken);
    }

    /// <summary>The same for statements that stand alone already.</summary>
    public static async Task<long> ExecuteAsync(
        NpgsqlConnection connection, IEnumerable<string> statements, int seconds, CancellationToken cancellationToken)
    {
        var batch = new NpgsqlBatch(connection) { Timeout = seconds };
        await using (batch.ConfigureAwait(false))
        {
            foreach (var statement in statements)
                batch.BatchCommands.Add(new NpgsqlBatchCommand(statement));
            if (batch.BatchCommands.Count == 0)
                return 0;
            await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            return batch.BatchCommands.Sum<NpgsqlBatchCommand>(static command => (long)command.Rows);
        }
    }
}
