using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Every kind between servers of different majors.</summary>
public sealed class MajorsTests
{
    [Theory]
    [InlineData(13, 15)]
    [InlineData(14, 17)]
    [InlineData(15, 18)]
    [InlineData(17, 19)]
    [InlineData(18, 15)]
    [InlineData(19, 17)]
    public async Task Every_kind_is_set_up_refreshed_and_equal(int from, int to)
    {
        foreach (var major in (int[])[from, to])
            Assert.SkipUnless(await PgInstallations.TryGetAsync(major, cancellationToken: TestContext.Current.CancellationToken) is not null, $"PostgreSQL {major} is not available");
        await using var one = await PgCluster.StartAsync(from, TestContext.Current.CancellationToken);
        await using var two = await PgCluster.StartAsync(to, TestContext.Current.CancellationToken);
        await using var databases = new TwoDatabases(
            await one.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken), await two.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken));
        foreach (var database in (TestDatabase[])[databases.Source, databases.Destination])
            await database.ExecuteAsync("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text)", TestContext.Current.CancellationToken);
        await databases.AtSourceAsync(
            """
            CREATE TABLE t (id int PRIMARY KEY, ver bigint, w text, m mood, ms mood[], p pair, n numeric, at timestamptz, j jsonb, b bytea, r int4range, i interval, u uuid);
            INSERT INTO t SELECT i, i, repeat('ü', i % 50), 'ok', '{sad,ok}', ROW(i, 'x')::pair, i / 3.0, 'epoch'::timestamptz + i * interval '1 s', jsonb_build_object('i', i), decode(md5(i::text), 'hex'), int4range(i, i + 5), i * interval '1 month', md5(i::text)::uuid FROM generate_series(1, 1000) i
            """);
        var client = new MimeoClient(databases.Destination.DataSource, new MimeoOptions { SplitLargerThanBytes = 50_000, MaxParallelChunks = 2 });
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.AddSourceAsync("erp", databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        foreach (var kind in Enum.GetValues<ReplicationKind>())
        {
            await client.CreateAsync(new ReplicationSpec
            {
                Kind = kind, From = "erp", Source = QualifiedName.Parse("public.t"), Destination = Named(kind), Cursor = kind is ReplicationKind.Inserter or ReplicationKind.Updater ? CursorColumn.Serial("ver", 0) : null,
                // Rows of an inserter are not to change.
                Condition = kind == ReplicationKind.Inserter ? "WHERE ver < 2000" : null,
            }, cancellationToken: TestContext.Current.CancellationToken);
        }

        await databases.AtSourceAsync("INSERT INTO t (id, ver, w) SELECT i, i, 'new' FROM generate_series(1001, 1200) i; UPDATE t SET w = w || '!', ver = ver + 2000 WHERE id % 10 = 1; DELETE FROM t WHERE id % 10 = 2");
        foreach (var kind in Enum.GetValues<ReplicationKind>())
            await client.RefreshAsync(Named(kind), new RefreshOptions { SkipUnchanged = kind == ReplicationKind.Snapshot ? false : null }, cancellationToken: TestContext.Current.CancellationToken);

        foreach (var kind in Enum.GetValues<ReplicationKind>().Except([ReplicationKind.Inserter, ReplicationKind.Updater]))
            (await client.ValidateAsync(Named(kind), new ValidationOptions { Checksum = true }, TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue($"{kind} has the rows of its source");
        (await databases.DestinationAsync<long>("SELECT count(*) FROM logdel WHERE mimeo_source_deleted IS NOT NULL")).Should().Be(120);
        // Deletes are not seen by these, nor the row with the largest value.
        await databases.ShouldBeEqualAsync("SELECT * FROM t WHERE ver < (SELECT max(ver) FROM t)", "SELECT * FROM updater WHERE id % 10 <> 2");
        (await databases.DestinationAsync<long>("SELECT count(DISTINCT id) FROM inserter")).Should().Be(1160);
    }

    private static QualifiedName Named(ReplicationKind kind) => QualifiedName.Create("public", kind.ToString().ToLowerInvariant());
}
