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
        await databases.AtSourceAsync("CREATE TABLE snapped (id int PRIMARY KEY, t text); INSERT INTO snapped SELECT i, 'x' FROM generate_series(1, 100) i; CREATE TABLE grown AS TABLE snapped; CREATE TABLE ours AS TABLE snapped");
        await databases.AtDestinationAsync("CREATE SCHEMA dblink; CREATE EXTENSION dblink SCHEMA dblink; CREATE SCHEMA ext; CREATE EXTENSION mimeo SCHEMA ext");
        await databases.AtDestinationAsync($"INSERT INTO ext.dblink_mapping_mimeo (data_source, username) VALUES ('host=127.0.0.1 port={fixture.Cluster.Port} dbname={databases.Source.Name}', 'postgres')");
        await databases.AtDestinationAsync("SELECT ext.snapshot_maker('public.snapped', 1); SELECT ext.inserter_maker('public.grown', 'serial', 'id', 1, '0'); ");
        var client = new MimeoClient(databases.Destination.DataSource);
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Snapshot, From = "1", Source = QualifiedName.Parse("public.ours") }, cancellationToken: TestContext.Current.CancellationToken);
        (await client.ListAsync(TestContext.Current.CancellationToken)).Select(s => $"{s.Target} {s.Kind} {s.From}").Should().Equal(
            "public.grown Inserter 1", "public.ours Snapshot 1", "public.snapped Snapshot 1");

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
        }

        // The row with the largest number waits.
        Task SameAsync(string table) => databases.ShouldBeEqualAsync(
            $"SELECT * FROM {table}" + (table == "grown" ? " WHERE id < (SELECT max(id) FROM grown)" : ""), $"SELECT * FROM {table}");
    }
}
