using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Through PgBouncer that gives a server session for one transaction only.</summary>
public sealed class PoolerTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logical)]
    public async Task A_pooler_on_both_sides_changes_nothing_and_keeps_no_setting(ReplicationKind kind)
    {
        Assert.SkipWhen(PgBouncer.Program is null, "pgbouncer is not installed.");
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, ver int, w text); INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 1000) i");
        await using var pooler = await PgBouncer.StartAsync(fixture.Cluster, poolSize: 3, cancellationToken: TestContext.Current.CancellationToken);
        await using var destination = NpgsqlDataSource.Create(Through(databases.Destination));
        await using var source = NpgsqlDataSource.Create(Through(databases.Source));
        var client = new MimeoClient(destination, new MimeoOptions { LockTimeout = TimeSpan.FromMinutes(1), Sources = new Dictionary<string, NpgsqlDataSource> { ["erp"] = source } });
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.AddSourceAsync("erp", Through(databases.Source), TestContext.Current.CancellationToken);
        var table = QualifiedName.Parse("public.t");

        await client.CreateAsync(new ReplicationSpec { Kind = kind, From = "erp", Source = table, Cursor = kind == ReplicationKind.Updater ? CursorColumn.Serial("ver", 0) : null }, cancellationToken: TestContext.Current.CancellationToken);
        await databases.AtSourceAsync("UPDATE t SET w = 'new', ver = 2000 + id WHERE id <= 10; INSERT INTO t SELECT i, 5000 + i, 'y' FROM generate_series(2001, 2010) i");
        (await client.RefreshAsync(table, new RefreshOptions { SkipUnchanged = false }, cancellationToken: TestContext.Current.CancellationToken)).Status.Should().Be(RefreshStatus.Refreshed);

        await databases.ShouldBeEqualAsync("SELECT * FROM t" + (kind == ReplicationKind.Updater ? " WHERE ver < (SELECT max(ver) FROM t)" : ""), "SELECT id, ver, w FROM t");
        (await client.ValidateAsync(table, new ValidationOptions { Checksum = true }, TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue();
        foreach (var side in (NpgsqlDataSource[])[destination, source])
        {
            await using var left = side.CreateCommand("SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('synchronous_commit'), current_setting('search_path'), (SELECT count(*) FROM pg_class WHERE relname LIKE 'omnipg_stage%'))");
            (await left.ExecuteScalarAsync(TestContext.Current.CancellationToken)).Should().Be("0 off \"$user\", public 0");
        }
        await client.DropAsync(table, cancellationToken: TestContext.Current.CancellationToken);

        string Through(TestDatabase database) => new NpgsqlConnectionStringBuilder(pooler.Through(database.ConnectionString)) { NoResetOnClose = true, CommandTimeout = 0 }.ConnectionString;
    }
}
