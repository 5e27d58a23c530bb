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
        await using var database = await cluster.CreateDatabaseAsync(cancellationToken: Token);
        await database.ExecuteAsync("CREATE TABLE events (id bigint NOT NULL, a text, b text, c text) PARTITION BY RANGE (id); CREATE INDEX ON events (a); CREATE INDEX ON events (b); CREATE INDEX ON events (c); CREATE INDEX ON events (id)", Token);
        var partman = new PartmanClient(database.DataSource);

        var create = () => partman.CreateAsync(Events, new PartitionSetOptions { Control = "id", IdInterval = 10, Premake = 199 }, Token);

        var error = (await create.Should().ThrowAsync<PartmanServerException>()).Which;
        error.SqlState.Should().Be(PostgresErrorCodes.OutOfMemory);
        error.Hint.Should().Contain("'max_locks_per_transaction'");
        (await database.ScalarAsync<long>("SELECT count(*) FROM pg_inherits", Token)).Should().Be(0);
        (await database.ScalarAsync<bool>("SELECT to_regnamespace('omnipg_partman') IS NULL", Token)).Should().BeTrue();
        (await partman.CreateAsync(Events, new PartitionSetOptions { Control = "id", IdInterval = 10, Premake = 5 }, Token)).Partitions.Should().HaveCount(7);
    }
}
