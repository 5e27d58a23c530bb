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
}
