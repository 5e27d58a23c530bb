using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Faults;

/// <summary>What a server has no room for leaves nothing half done, and the error says which setting is too small.</summary>
public sealed class ServerLimitTests
{
    private static readonly QualifiedName Events = QualifiedName.Parse("public.events");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_table_of_locks_that_is_full_is_told_with_its_setting_and_nothing_is_made()
    {
        await using var cluster = await PgCluster.StartAsync(
            new PgClusterOptions { Settings = new Dictionary<string, string> { ["max_locks_per_transaction"] = "10", ["max_connections"] = "10", ["max_prepared_transactions"] = "0" } }, Token);
        // Of a server that small a database is not dropped: it goes with it.
        await using var source = NpgsqlDataSource.Create(cluster.GetConnectionString("postgres"));
        await AskAsync(source, "CREATE TABLE events (id bigint NOT NULL, a text, b text, c text) PARTITION BY RANGE (id); CREATE INDEX ON events (a); CREATE INDEX ON events (b); CREATE INDEX ON events (c); CREATE INDEX ON events (id)");
        var partman = new PartmanClient(source);

        var create = () => partman.CreateAsync(Events, new PartitionSetOptions { Control = "id", IdInterval = 10, Premake = 199 }, Token);

        var error = (await create.Should().ThrowAsync<PartmanServerException>()).Which;
        error.SqlState.Should().Be(PostgresErrorCodes.OutOfMemory);
        error.Hint.Should().Contain("'max_locks_per_transaction'");
        // The driver gives a session up that had no room, and does not wait for the server to undo its transaction, whose locks keep the next one out until then.
        await Eventually.TrueAsync(() => HasRoomAsync(source), "the transaction is undone", cancellationToken: Token);
        (await AskAsync(source, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass")).Should().Be(0L);
        (await AskAsync(source, "SELECT to_regnamespace('omnipg_partman') IS NULL")).Should().Be(true);
        (await partman.CreateAsync(Events, new PartitionSetOptions { Control = "id", IdInterval = 10, Premake = 5 }, Token)).Partitions.Should().HaveCount(7);
    }

    private static async Task<bool> HasRoomAsync(NpgsqlDataSource source)
    {
        try
        {
            return await AskAsync(source, "SELECT count(*) = 0 FROM pg_locks WHERE relation = 'events'::regclass") is true;
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.OutOfMemory)
        {
            return false;
        }
    }

    private static async Task<object?> AskAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Token);
    }
}
