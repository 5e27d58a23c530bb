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

    /// <summary>The binary form of an array holds the number of its element type, which a server before 14 compares with its own.</summary>
    [Theory]
    [InlineData(13, 15, CopyFormat.Binary)]
    [InlineData(15, 13, CopyFormat.Text)]
    [InlineData(15, 17, CopyFormat.Binary)]
    [InlineData(17, 15, CopyFormat.Binary)]
    public async Task Arrays_of_enums_and_domains_arrive_though_their_types_have_other_numbers(int from, int to, CopyFormat format)
    {
        foreach (var major in (int[])[from, to])
            Assert.SkipUnless(await PgInstallations.TryGetAsync(major, cancellationToken: TestContext.Current.CancellationToken) is not null, $"PostgreSQL {major} is not available");
        await using var one = await PgCluster.StartAsync(from, TestContext.Current.CancellationToken);
        await using var two = await PgCluster.StartAsync(to, TestContext.Current.CancellationToken);
        await using var databases = new TwoDatabases(
            await one.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken), await two.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken));
        const string types = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN small AS int CHECK (VALUE < 100); CREATE DOMAIN moods AS mood[]; CREATE DOMAIN several AS small[];";
        await databases.AtDestinationAsync("CREATE TYPE before AS ENUM ('it'); CREATE DOMAIN others AS text;" + types);
        var tables = new Dictionary<string, string>
        {
            ["enums"] = "m mood[]", ["domains"] = "d small[]", ["whole"] = "m moods", ["within"] = "d several",
            // What has no such array travels in binary to every server.
            ["plain"] = "m mood, d small, a int[]",
        };
        var client = new MimeoClient(databases.Destination.DataSource);
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.AddSourceAsync("erp", databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        await databases.AtSourceAsync(types);
        foreach (var (table, columns) in tables)
        {
            var values = string.Join(", ", columns.Split(", ").Select(c => c.Split(' ')[1] switch { "mood[]" or "moods" => "'{sad,ok,NULL}'", "mood" => "'ok'", "small" => "7", _ => "'[2:3]={7,8}'" }));
            await databases.AtSourceAsync($"CREATE TABLE {table} (id int PRIMARY KEY, {columns}); INSERT INTO {table} SELECT i, {values} FROM generate_series(1, 50) i");
            foreach (var kind in (ReplicationKind[])[ReplicationKind.Table, ReplicationKind.Logdel, ReplicationKind.Logical])
                await client.CreateAsync(new ReplicationSpec { Kind = kind, From = "erp", Source = QualifiedName.Create("public", table), Destination = Named(table, kind) }, cancellationToken: TestContext.Current.CancellationToken);
            await databases.AtSourceAsync($"INSERT INTO {table} SELECT i, {values} FROM generate_series(51, 60) i; UPDATE {table} SET id = id + 100 WHERE id < 5; DELETE FROM {table} WHERE id = 10");
            foreach (var kind in (ReplicationKind[])[ReplicationKind.Table, ReplicationKind.Logdel, ReplicationKind.Logical])
            {
                var result = await client.RefreshAsync(Named(table, kind), cancellationToken: TestContext.Current.CancellationToken);
                result.Format.Should().Be(table == "plain" ? CopyFormat.Binary : format, $"{table} is sent so");
                (await client.ValidateAsync(Named(table, kind), new ValidationOptions { Checksum = true }, TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue($"{table} as {kind} has the rows of its source");
            }
            (await databases.DestinationAsync<long>($"SELECT count(*) FROM {table}_logdel WHERE mimeo_source_deleted IS NOT NULL")).Should().Be(1);
        }
    }

    private static QualifiedName Named(string table, ReplicationKind kind) => QualifiedName.Create("public", $"{table}_{kind}".ToLowerInvariant());

    private static QualifiedName Named(ReplicationKind kind) => QualifiedName.Create("public", kind.ToString().ToLowerInvariant());
}
