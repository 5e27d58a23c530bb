using System.Globalization;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Applications that write a table <c>t (id, w)</c> while it is refreshed.</summary>
internal static class QueueWriters
{
    /// <summary>One writer: small transactions of all kinds, a part of them rolled back.</summary>
#pragma warning disable CA5394 // A seed, so that a run can be had again.
    public static async Task WriteAsync(TestDatabase source, int seed, int transactions)
    {
        var random = new Random(seed);
        await using var connection = await source.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        for (var n = 0; n < transactions; n++)
        {
            var (one, two) = (random.Next(1, 300), random.Next(1, 300));
            var statement = random.Next(5) switch
            {
                0 => "INSERT INTO t VALUES ({0}, 'ins {2}') ON CONFLICT DO NOTHING",
                1 => "DELETE FROM t WHERE id = {0}",
                2 => "UPDATE t SET w = 'upd {2}' WHERE id = {0}",
                3 => "UPDATE t SET id = {1} WHERE id = {0} AND NOT EXISTS (SELECT FROM t x WHERE x.id = {1})",
                _ => "DELETE FROM t WHERE id = {0}; INSERT INTO t VALUES ({0}, 'back {2}') ON CONFLICT DO NOTHING",
            };
            await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
            try
            {
                await using var command = new NpgsqlCommand(string.Format(CultureInfo.InvariantCulture, statement, one, two, n), connection);
                await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
                if (random.Next(10) > 0)
                    await transaction.CommitAsync(TestContext.Current.CancellationToken);
            }
            // Two that want the same key: one of them has to give way.
            catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.DeadlockDetected)
            {
            }
        }
    }
#pragma warning restore CA5394
}
