using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Pools of connections that are smaller than what is asked of them.</summary>
public sealed class PoolTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Refreshes_that_are_cancelled_while_they_have_every_session_of_a_pool_end_at_once()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtSourceAsync("CREATE TABLE t AS SELECT i, 'x'::text AS w FROM generate_series(1, 10) i; CREATE VIEW silent AS SELECT i, w FROM t WHERE i < 5 OR pg_sleep(600) IS NOT NULL");
        // Whoever waits for a session waits longer than this test.
        await using var destination = Small(databases.Destination, 2, seconds: 600);
        var client = await ClientAsync(destination, databases.Source.ConnectionString);
        var tables = (QualifiedName[])[QualifiedName.Parse("public.a"), QualifiedName.Parse("public.b")];
        foreach (var table in tables)
            await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Table, From = "erp", Source = QualifiedName.Parse("public.silent"), Destination = table }, new CreateOptions { PullData = false }, cancellationToken: TestContext.Current.CancellationToken);
        using var cancelled = new CancellationTokenSource();

        var refreshing = tables.Select(table => client.RefreshAsync(table, cancellationToken: cancelled.Token)).ToArray();
        await Eventually.TrueAsync(
            async () => await databases.SourceAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'") == 2, "both sources are silent",
            cancellationToken: TestContext.Current.CancellationToken);
        await cancelled.CancelAsync();

        foreach (var refresh in refreshing)
            await refresh.Awaiting(r => r.WaitAsync(TimeSpan.FromSeconds(60))).Should().ThrowAsync<OperationCanceledException>();
        (await client.ListAsync(TestContext.Current.CancellationToken)).Should().HaveCount(2);
    }

    [Fact]
    public async Task A_group_whose_sources_share_too_small_a_pool_and_a_set_up_with_too_many_streams_are_told()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtSourceAsync("CREATE TABLE t AS SELECT i, repeat('x', 100) AS w FROM generate_series(1, 5000) i");
        await using var one = Small(databases.Source, 1, seconds: 3);
        await using var destination = Small(databases.Destination, 1, seconds: 3);
        var options = new MimeoOptions { Sources = new Dictionary<string, NpgsqlDataSource> { ["erp"] = one, ["crm"] = one } };
        var client = await ClientAsync(destination, databases.Source.ConnectionString, options);
        await client.AddSourceAsync("crm", databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        foreach (var from in (string[])["erp", "crm"])
            await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Table, From = from, Source = QualifiedName.Parse("public.t"), Destination = QualifiedName.Create("public", from) }, cancellationToken: TestContext.Current.CancellationToken);

        var group = () => client.RefreshGroupAsync([QualifiedName.Parse("public.erp"), QualifiedName.Parse("public.crm")], cancellationToken: TestContext.Current.CancellationToken);
        (await group.Should().ThrowAsync<SourceConnectionException>()).Which.Message.Should().Contain("pool");
        var chunked = new MimeoClient(destination, new MimeoOptions { SplitLargerThanBytes = 1, MaxParallelChunks = 4 });
        var creating = () => chunked.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Table, From = "erp", Source = QualifiedName.Parse("public.t"), Destination = QualifiedName.Parse("public.large") }, cancellationToken: TestContext.Current.CancellationToken);
        (await creating.Should().ThrowAsync<MimeoServerException>()).Which.Message.Should().Contain("pool");

        foreach (var table in (string[])["erp", "crm"])
            (await client.RefreshAsync(QualifiedName.Create("public", table), cancellationToken: TestContext.Current.CancellationToken)).Rows.Should().Be(5000);
        (await databases.DestinationAsync<long>("SELECT count(*) FROM pg_class WHERE relname LIKE 'large%'")).Should().Be(0);
    }

    [Fact]
    public async Task A_stored_connection_serves_one_refresh_after_another_and_one_that_its_server_has_ended_is_made_anew()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        const string Ours = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'omnipg mimeo'";
        await databases.AtSourceAsync("CREATE VIEW session AS SELECT pg_backend_pid() AS pid");
        var client = await ClientAsync(databases.Destination.DataSource, databases.Source.ConnectionString);
        var table = QualifiedName.Parse("public.session");
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Table, From = "erp", Source = table }, cancellationToken: TestContext.Current.CancellationToken);

        var first = await RefreshedAsync();
        (await RefreshedAsync()).Should().Be(first);
        await databases.SourceAsync<bool>($"SELECT coalesce(bool_and(pg_terminate_backend(pid, 10000)), true) {Ours}");
        (await RefreshedAsync()).Should().NotBe(first);

        await Eventually.TrueAsync(async () => await databases.SourceAsync<long>($"SELECT count(*) {Ours}") == 0, "no session is left", cancellationToken: TestContext.Current.CancellationToken);

        async Task<int> RefreshedAsync()
        {
            await client.RefreshAsync(table, cancellationToken: TestContext.Current.CancellationToken);
            return await databases.DestinationAsync<int>("SELECT pid FROM session");
        }
    }

    private static NpgsqlDataSource Small(TestDatabase database, int sessions, int seconds) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { MaxPoolSize = sessions, Timeout = seconds }.ConnectionString);

    private static async Task<MimeoClient> ClientAsync(NpgsqlDataSource destination, string source, MimeoOptions? options = null)
    {
        var client = new MimeoClient(destination, options);
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.AddSourceAsync("erp", source, TestContext.Current.CancellationToken);
        return client;
    }
}
