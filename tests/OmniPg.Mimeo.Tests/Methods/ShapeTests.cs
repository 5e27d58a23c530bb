using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Tables of unusual shape, and values of unusual size.</summary>
public sealed class ShapeTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Table)]
    public async Task A_table_without_columns_has_as_many_rows_as_its_source(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (); INSERT INTO t SELECT FROM generate_series(1, 7)");

        (await mimeo.CreateAsync(kind, "public.t")).Rows.Should().Be(7);
        await mimeo.Databases.AtSourceAsync("INSERT INTO t SELECT FROM generate_series(1, 3)");
        (await mimeo.RefreshAsync("public.t", new RefreshOptions { SkipUnchanged = false })).Rows.Should().Be(10);

        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(10);
    }

    [Theory]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Inserter)]
    [InlineData(ReplicationKind.Updater)]
    public async Task Rows_of_1600_columns_arrive(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var columns = string.Join(", ", Enumerable.Range(2, 1599).Select(n => $"c{n} smallint"));
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (id int PRIMARY KEY, {columns}); INSERT INTO t (id, c2, c1600) SELECT i, i, -i FROM generate_series(1, 20) i");

        await mimeo.CreateAsync(kind, "public.t", s => s with { Cursor = kind is ReplicationKind.Inserter or ReplicationKind.Updater ? CursorColumn.Serial("id", 0) : null });
        await mimeo.Databases.AtSourceAsync("INSERT INTO t (id, c1599) VALUES (21, 7), (22, 8)");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { SkipUnchanged = kind == ReplicationKind.Snapshot ? false : null });

        await mimeo.Databases.ShouldBeEqualAsync($"SELECT * FROM t{(kind is ReplicationKind.Inserter or ReplicationKind.Updater ? " WHERE id < 22" : "")}", "SELECT * FROM t");
    }

    [Theory]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    public async Task Empty_tables_and_rows_of_nulls_arrive(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, a text, b int[], c jsonb)");
        (await mimeo.CreateAsync(kind, "public.t")).Rows.Should().Be(0);
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(0);

        await mimeo.Databases.AtSourceAsync("INSERT INTO t (id) SELECT generate_series(1, 5)");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, a, b, c FROM t");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t WHERE num_nonnulls(a, b, c) = 0")).Should().Be(5);
    }

    [Fact]
    public async Task A_value_of_32_megabytes_arrives_through_the_buffer_of_a_copy()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.PipeBufferBytes = 64 * 1024);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, big bytea); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; INSERT INTO t VALUES (1, decode(repeat('00ff7f80', 8388608), 'hex')), (2, NULL)");

        (await mimeo.CreateAsync(ReplicationKind.Dml, "public.t")).Rows.Should().Be(2);
        await mimeo.Databases.AtSourceAsync("UPDATE t SET id = 3 WHERE id = 1");
        await mimeo.RefreshAsync("public.t");

        const string Values = "SELECT id, octet_length(big), md5(big) FROM t";
        await mimeo.Databases.ShouldBeEqualAsync(Values, Values);
        (await mimeo.Databases.DestinationAsync<int>("SELECT max(octet_length(big)) FROM t")).Should().Be(33_554_432);
    }
}
