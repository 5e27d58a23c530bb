using Npgsql;

namespace OmniPg.Extractor;

/// <summary>Sends statements as they are.</summary>
/// <remarks>
/// Npgsql cuts the text of a command without parameters at its semicolons, those of a <c>BEGIN ATOMIC</c> body included (npgsql/npgsql#4445). The
/// commands of a batch it leaves alone: whatever the server or a user wrote goes this way.
/// </remarks>
internal static class PlainStatements
{
    public static async Task ExecuteAsync(NpgsqlConnection connection, IEnumerable<string> statements, CancellationToken cancellationToken)
    {
        var batch = new NpgsqlBatch(connection) { Timeout = 0 };
        await using (batch.ConfigureAwait(false))
        {
            foreach (var statement in statements)
                batch.BatchCommands.Add(new NpgsqlBatchCommand(statement));
            await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
