using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Servers that restart or crash between two refreshes of one client.</summary>
public sealed class RestartTests
{
    private static readonly ReplicationKind[] Kinds = [ReplicationKind.Dml, ReplicationKind.Logdel, ReplicationKind.Logical, ReplicationKind.Inserter, ReplicationKind.Snapshot];

    [Fact]
    public async Task Either_side_may_restart_or_crash_and_every_change_arrives_once_it_answers_again()
    {
        await using var one = await PgCluster.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var two = await PgCluster.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var databases = new TwoDatabases(
            await one.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken), await two.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken));
        await databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 1000) i; CREATE TABLE grown AS TABLE t");
        var client = new MimeoClient(databases.Destination.DataSource);
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.AddSourceAsync("erp", databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        foreach (var kind in Kinds)
        {
            await client.CreateAsync(new ReplicationSpec
            {
                Kind = kind, From = "erp", Source = QualifiedName.Create("public", kind == ReplicationKind.Inserter ? "grown" : "t"), Destination = Named(kind),
                Cursor = kind == ReplicationKind.Inserter ? CursorColumn.Serial("id", 0) : null, KeepHistory = kind == ReplicationKind.Logdel,
            }, cancellationToken: TestContext.Current.CancellationToken);
        }

        await ChangeAsync(1);
        await one.StopAsync(cancellationToken: TestContext.Current.CancellationToken);
        foreach (var kind in Kinds)
        {
            var refreshing = () => client.RefreshAsync(Named(kind), cancellationToken: TestContext.Current.CancellationToken);
            (await refreshing.Should().ThrowAsync<SourceConnectionException>()).Which.Message.Should().StartWith("Source 'erp' at ");
        }
        await one.StartAgainAsync(cancellationToken: TestContext.Current.CancellationToken);
        databases.Source.DataSource.Clear();
        await FollowAsync();
        await ChangeAsync(2);
        // The source forgot nothing that the destination did not have on disk.
        await two.StopAsync(PgShutdown.Immediate, TestContext.Current.CancellationToken);
        await two.StartAgainAsync(cancellationToken: TestContext.Current.CancellationToken);
        databases.Destination.DataSource.Clear();
        await FollowAsync();
        await ChangeAsync(3);
        await one.StopAsync(PgShutdown.Immediate, TestContext.Current.CancellationToken);
        await one.StartAgainAsync(cancellationToken: TestContext.Current.CancellationToken);
        databases.Source.DataSource.Clear();
        await FollowAsync();

        (await databases.DestinationAsync<string>("SELECT string_agg(w, ' ' ORDER BY w) FROM logdel_deleted WHERE id = 1")).Should().Be("old round 1 round 2");
        await client.DropAsync(Named(ReplicationKind.Logical), cancellationToken: TestContext.Current.CancellationToken);

        // Committed on disk, whatever this server does by default.
        Task ChangeAsync(int round) => databases.AtSourceAsync(
            $"SET synchronous_commit = on; BEGIN; UPDATE t SET w = 'new {round}' WHERE id % 10 = 3; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'round {round}'); DELETE FROM t WHERE id = {round} * 100; INSERT INTO grown SELECT {round} * 1000 + i, 'more' FROM generate_series(1, 100) i; COMMIT; RESET synchronous_commit");

        async Task FollowAsync()
        {
            foreach (var kind in Kinds)
                await client.RefreshAsync(Named(kind), new RefreshOptions { SkipUnchanged = kind == ReplicationKind.Snapshot ? false : null }, cancellationToken: TestContext.Current.CancellationToken);
            foreach (var table in (string[])["dml", "logical", "snapshot", "logdel WHERE mimeo_source_deleted IS NULL"])
                await databases.ShouldBeEqualAsync("SELECT * FROM t", $"SELECT id, w FROM {table}");
            await databases.ShouldBeEqualAsync("SELECT * FROM grown WHERE id < (SELECT max(id) FROM grown)", "SELECT * FROM inserter");
        }
    }

    private static QualifiedName Named(ReplicationKind kind) => QualifiedName.Create("public", kind.ToString().ToLowerInvariant());
}
