using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Beside the extension, in one database: the same tables, in turn.</summary>
public sealed class ExtensionTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Tables_of_the_extension_are_refreshed_here_and_ours_there_in_turn()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        Assert.SkipUnless(await databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'mimeo')"), "The extension mimeo is not installed.");
        await databases.AtSourceAsync("CREATE TABLE snapped (id int PRIMARY KEY, t text); INSERT INTO snapped SELECT i, 'x' FROM generate_series(1, 100) i; CREATE TABLE grown AS TABLE snapped; CREATE TABLE ours AS TABLE snapped; CREATE SCHEMA ext; CREATE TABLE changed (LIKE snapped INCLUDING ALL); CREATE TABLE logged (LIKE snapped INCLUDING ALL); CREATE TABLE own_changed (LIKE snapped INCLUDING ALL)");
        await databases.AtDestinationAsync("CREATE SCHEMA dblink; CREATE EXTENSION dblink SCHEMA dblink; CREATE SCHEMA ext; CREATE EXTENSION mimeo SCHEMA ext");
        await databases.AtDestinationAsync($"INSERT INTO ext.dblink_mapping_mimeo (data_source, username) VALUES ('host=127.0.0.1 port={fixture.Cluster.Port} dbname={databases.Source.Name}', 'postgres')");
        await databases.AtDestinationAsync("SELECT ext.snapshot_maker('public.snapped', 1); SELECT ext.inserter_maker('public.grown', 'serial', 'id', 1, '0'); SELECT ext.dml_maker('public.changed', 1); SELECT ext.logdel_maker('public.logged', 1)");
        var client = new MimeoClient(databases.Destination.DataSource);
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Snapshot, From = "1", Source = QualifiedName.Parse("public.ours") }, cancellationToken: TestContext.Current.CancellationToken);
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Dml, From = "1", Source = QualifiedName.Parse("public.own_changed") }, cancellationToken: TestContext.Current.CancellationToken);
        (await client.ListAsync(TestContext.Current.CancellationToken)).Select(s => $"{s.Target} {s.Kind} {s.From} {s.Queue}").Should().Equal(
            "public.changed Dml 1 ext.public_changed_q", "public.grown Inserter 1 ", "public.logged Logdel 1 ext.public_logged_q", "public.ours Snapshot 1 ", "public.own_changed Dml 1 ext.public_own_changed_q",
            "public.snapped Snapshot 1 ");

        for (var round = 1; round <= 2; round++)
        {
            foreach (var table in (string[])["snapped", "grown", "ours"])
            {
                await databases.AtSourceAsync($"INSERT INTO {table} SELECT i, 'here' FROM generate_series({round} * 1000, {round} * 1000 + 9) i");
                await client.RefreshAsync(QualifiedName.Parse($"public.{table}"), new RefreshOptions { SkipUnchanged = false }, cancellationToken: TestContext.Current.CancellationToken);
                await SameAsync(table);
                await databases.AtSourceAsync($"INSERT INTO {table} SELECT i, 'there' FROM generate_series({round} * 1000 + 500, {round} * 1000 + 509) i");
                await databases.AtDestinationAsync(table == "grown" ? "SELECT ext.refresh_inserter('public.grown')" : $"SELECT ext.refresh_snap('public.{table}', p_check_stats := false)");
                await SameAsync(table);
            }
            foreach (var table in (string[])["changed", "logged", "own_changed"])
            {
                await databases.AtSourceAsync($"INSERT INTO {table} SELECT i, 'here' FROM generate_series({round} * 1000, {round} * 1000 + 9) i; UPDATE {table} SET t = 'new' WHERE id % 10 = 1; DELETE FROM {table} WHERE id % 10 = 2");
                await client.RefreshAsync(QualifiedName.Parse($"public.{table}"), cancellationToken: TestContext.Current.CancellationToken);
                await FollowsAsync(table);
                await databases.AtSourceAsync($"INSERT INTO {table} SELECT i, 'there' FROM generate_series({round} * 1000 + 500, {round} * 1000 + 509) i; UPDATE {table} SET id = -id WHERE id % 10 = 3 AND id > 0; DELETE FROM {table} WHERE id % 10 = 4");
                await databases.AtDestinationAsync($"SELECT ext.refresh_{(table == "logged" ? "logdel" : "dml")}('public.{table}')");
                await FollowsAsync(table);
            }
        }
        (await databases.DestinationAsync<long>("SELECT count(*) FROM logged WHERE mimeo_source_deleted IS NOT NULL")).Should().Be(7);

        Task FollowsAsync(string table) => databases.ShouldBeEqualAsync($"SELECT id, t FROM {table}", $"SELECT id, t FROM {table}{(table == "logged" ? " WHERE mimeo_source_deleted IS NULL" : "")}");

        // The row with the largest number waits.
        Task SameAsync(string table) => databases.ShouldBeEqualAsync(
            $"SELECT * FROM {table}" + (table == "grown" ? " WHERE id < (SELECT max(id) FROM grown)" : ""), $"SELECT * FROM {table}");
    }

    [Fact]
    public async Task Tables_of_the_extension_go_on_without_it_and_back_with_it()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        Assert.SkipUnless(await databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'mimeo')"), "The extension mimeo is not installed.");
        const string Extension = "CREATE SCHEMA IF NOT EXISTS dblink; CREATE SCHEMA IF NOT EXISTS ext; CREATE EXTENSION IF NOT EXISTS dblink SCHEMA dblink; CREATE EXTENSION mimeo SCHEMA ext";
        await databases.AtSourceAsync("CREATE TABLE snapped (id int PRIMARY KEY, t text); INSERT INTO snapped SELECT i, 'x' FROM generate_series(1, 100) i; CREATE TABLE grown AS TABLE snapped; CREATE SCHEMA ext; CREATE TABLE changed (LIKE snapped INCLUDING ALL); CREATE TABLE late (LIKE snapped INCLUDING ALL)");
        await databases.AtDestinationAsync(Extension);
        await databases.AtDestinationAsync($"INSERT INTO ext.dblink_mapping_mimeo (data_source, username) VALUES ('host=127.0.0.1 port={fixture.Cluster.Port} dbname={databases.Source.Name}', 'postgres')");
        await databases.AtDestinationAsync("SELECT ext.snapshot_maker('public.snapped', 1); SELECT ext.inserter_maker('public.grown', 'serial', 'id', 1, '0'); SELECT ext.dml_maker('public.changed', 1)");
        var (client, other) = (new MimeoClient(databases.Destination.DataSource), new MimeoClient(databases.Destination.DataSource));
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        var before = await other.ListAsync(TestContext.Current.CancellationToken);

        await using (await QueueTests.HoldAsync(databases.Destination, "SELECT pg_advisory_lock(hashtext('mimeo advisory lock'), hashtext('public.grown'))"))
        {
            var busy = () => client.ImportFromExtensionAsync(TestContext.Current.CancellationToken);
            (await busy.Should().ThrowAsync<MimeoLockException>()).Which.Message.Should().Contain("public.grown");
        }
        var moved = await client.ImportFromExtensionAsync(TestContext.Current.CancellationToken);
        await databases.AtDestinationAsync("DROP EXTENSION mimeo");

        moved.Sources.Should().Be(1);
        moved.Tables.Select(t => t.ToString()).Should().Equal("public.changed", "public.grown", "public.snapped");
        (await other.ListAsync(TestContext.Current.CancellationToken)).Should().BeEquivalentTo(before);
        await FollowAsync(1, async table => await other.RefreshAsync(QualifiedName.Parse(table), cancellationToken: TestContext.Current.CancellationToken));
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Dml, From = "1", Source = QualifiedName.Parse("public.late") }, cancellationToken: TestContext.Current.CancellationToken);
        await client.AddSourceAsync("new", databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        (await client.ListSourcesAsync(TestContext.Current.CancellationToken)).Select(s => $"{s.Id} {s.Name}").Should().Equal("1 1", "2 new");
        var again = () => client.ImportFromExtensionAsync(TestContext.Current.CancellationToken);
        await again.Should().ThrowAsync<ReplicationConflictException>();

        // One that is installed later takes nothing over by itself.
        await databases.AtDestinationAsync(Extension);
        (await new MimeoClient(databases.Destination.DataSource).ListAsync(TestContext.Current.CancellationToken)).Should().HaveCount(4);
        await client.DropAsync(QualifiedName.Parse("public.late"), cancellationToken: TestContext.Current.CancellationToken);
        (await client.ExportToExtensionAsync(TestContext.Current.CancellationToken)).Tables.Should().Equal(moved.Tables);

        await FollowAsync(2, table => databases.AtDestinationAsync(table switch
        {
            "public.snapped" => "SELECT ext.refresh_snap('public.snapped', p_check_stats := false)",
            "public.grown" => "SELECT ext.refresh_inserter('public.grown')",
            _ => "SELECT ext.refresh_dml('public.changed')",
        }));
        await FollowAsync(3, async table => await client.RefreshAsync(QualifiedName.Parse(table), cancellationToken: TestContext.Current.CancellationToken));
        (await databases.DestinationAsync<int>("INSERT INTO ext.dblink_mapping_mimeo (data_source, username) VALUES ('dbname=x', 'y') RETURNING data_source_id")).Should().Be(3);

        async Task FollowAsync(int round, Func<string, Task> refresh)
        {
            foreach (var table in (string[])["snapped", "grown", "changed"])
            {
                await databases.AtSourceAsync($"INSERT INTO {table} SELECT i, 'round {round}' FROM generate_series({round} * 1000, {round} * 1000 + 9) i; SELECT pg_stat_force_next_flush()");
                await refresh($"public.{table}");
                await databases.ShouldBeEqualAsync($"SELECT * FROM {table}" + (table == "grown" ? " WHERE id < (SELECT max(id) FROM grown)" : ""), $"SELECT * FROM {table}");
            }
        }
    }

    [Fact]
    public async Task A_table_that_was_set_up_here_is_refreshed_by_the_extension_that_got_it_without_a_job_log()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        Assert.SkipUnless(await databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'mimeo')"), "The extension mimeo is not installed.");
        await databases.AtSourceAsync("CREATE TABLE own (id int PRIMARY KEY, t text)");
        var client = new MimeoClient(databases.Destination.DataSource);
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.AddSourceAsync("erp", databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Table, From = "erp", Source = QualifiedName.Parse("public.own") }, cancellationToken: TestContext.Current.CancellationToken);
        await databases.AtDestinationAsync("CREATE SCHEMA dblink; CREATE SCHEMA ext; CREATE EXTENSION dblink SCHEMA dblink; CREATE EXTENSION mimeo SCHEMA ext");

        await client.ExportToExtensionAsync(TestContext.Current.CancellationToken);
        await databases.AtSourceAsync("INSERT INTO own VALUES (1, 'x')");
        await databases.AtDestinationAsync("SELECT ext.refresh_table('public.own')");

        await databases.ShouldBeEqualAsync("SELECT * FROM own", "SELECT * FROM own");
    }

    [Fact]
    public async Task Who_moves_the_configuration_waits_for_whoever_installs_or_moves_it_and_finds_what_they_left()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        Assert.SkipUnless(await databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'mimeo')"), "The extension mimeo is not installed.");
        await databases.AtDestinationAsync("CREATE SCHEMA dblink; CREATE SCHEMA ext; CREATE EXTENSION dblink SCHEMA dblink; CREATE EXTENSION mimeo SCHEMA ext; INSERT INTO ext.dblink_mapping_mimeo (data_source, username) VALUES ('dbname=x', 'y')");
        var client = new MimeoClient(databases.Destination.DataSource, new MimeoOptions { LockTimeout = TimeSpan.FromMilliseconds(200) });
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);

        await using (await QueueTests.HoldAsync(databases.Destination, "SELECT pg_advisory_lock(hashtextextended('omnipg_mimeo.install', 0))"))
        {
            var importing = () => client.ImportFromExtensionAsync(TestContext.Current.CancellationToken);
            await importing.Should().ThrowAsync<MimeoLockException>();
        }

        (await BothAsync(c => c.ImportFromExtensionAsync(TestContext.Current.CancellationToken))).Should().BeEquivalentTo("1 moved", "mimeo.conflict");
        (await BothAsync(c => c.ExportToExtensionAsync(TestContext.Current.CancellationToken))).Should().BeEquivalentTo("1 moved", "mimeo.conflict");
        (await databases.DestinationAsync<long>("SELECT count(*) FROM ext.dblink_mapping_mimeo")).Should().Be(1);

        Task<string[]> BothAsync(Func<MimeoClient, Task<MoveResult>> move) => Task.WhenAll(Enumerable.Range(0, 2).Select(async _ =>
        {
            try
            {
                return $"{(await move(new MimeoClient(databases.Destination.DataSource))).Sources} moved";
            }
            catch (MimeoException error)
            {
                return error.Code;
            }
        }));
    }
}
