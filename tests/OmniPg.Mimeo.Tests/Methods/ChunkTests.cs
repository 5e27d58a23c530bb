using System.Collections.Concurrent;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Large tables, set up by several streams of one snapshot.</summary>
public sealed class ChunkTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Updater)]
    public async Task A_large_table_comes_in_several_streams_with_all_rows_and_indexes(ReplicationKind kind)
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("CREATE INDEX big_w_idx ON big (w) WHERE id % 2 = 0; DELETE FROM big WHERE id BETWEEN 3000 AND 5000");
        var told = new ConcurrentQueue<CopyProgress>();

        var created = await mimeo.Client.CreateAsync(new ReplicationSpec
        {
            Kind = kind, From = "erp", Source = QualifiedName.Parse("public.big"), Condition = "WHERE id > 100 OR id = 1", Cursor = kind == ReplicationKind.Updater ? CursorColumn.Serial("id", 0) : null,
        }, progress: new Told(told), cancellationToken: TestContext.Current.CancellationToken);

        await mimeo.Databases.ShouldBeEqualAsync($"SELECT * FROM big WHERE (id > 100 OR id = 1){(kind == ReplicationKind.Updater ? " AND id < 10000" : "")}", "SELECT * FROM big");
        created.Rows.Should().Be(await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM big"));
        told.Max(p => (p.Rows, p.Streams)).Should().Be((created.Rows, 3));
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indisvalid AND indrelid = to_regclass(CASE WHEN to_regclass('big_snap1') IS NULL THEN 'big' ELSE 'big_snap1' END)"))
            .Should().Be(kind == ReplicationKind.Snapshot ? "snap1_big_id_pk snap1_big_w_idx" : "big_id_pk big_w_idx");
        (await LeftAsync(mimeo)).Should().Be(0);
    }

    [Fact]
    public async Task Rows_that_are_written_meanwhile_are_neither_missing_nor_there_twice()
    {
        await using var mimeo = await CreateAsync();
        var writing = Enumerable.Range(1, 4).Select(async n =>
        {
            for (var i = 0; i < 25; i++)
                await mimeo.Databases.AtSourceAsync($"UPDATE big SET w = 'w{n} {i}' WHERE id % 400 = {i}; DELETE FROM big WHERE id = {n * 1000 + i}; INSERT INTO big VALUES ({n * 100000 + i}, 'new')");
        }).ToArray();

        await mimeo.CreateAsync(ReplicationKind.Dml, "public.big");
        await Task.WhenAll(writing);
        await mimeo.RefreshAsync("public.big");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM big", "SELECT * FROM big");
    }

    [Fact]
    public async Task A_partitioned_table_is_split_for_a_role_without_rights_on_its_leaves()
    {
        await using var mimeo = await CreateAsync();
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync(
            $"CREATE TABLE parted (LIKE big) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF parted FOR VALUES FROM (0) TO (2000); CREATE TABLE p2 PARTITION OF parted FOR VALUES FROM (2000) TO (20000); INSERT INTO parted SELECT * FROM big; CREATE ROLE {role} LOGIN; GRANT SELECT ON parted TO {role}");
        await mimeo.Client.AddSourceAsync("erp", new NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);

        (await mimeo.CreateAsync(ReplicationKind.Table, "public.parted")).Rows.Should().Be(10_000);

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM parted", "SELECT * FROM parted");
    }

    [Fact]
    public async Task A_stream_that_breaks_leaves_nothing_and_the_next_set_up_begins_anew()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtDestinationAsync(
            """
            CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.big_omnipg_load') THEN EXECUTE 'ALTER TABLE public.big_omnipg_load ADD CHECK (id <> 7000)'; END IF; END $$;
            CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse();
            """);

        var creating = () => mimeo.CreateAsync(ReplicationKind.Dml, "public.big");
        (await creating.Should().ThrowAsync<CopyInterruptedException>()).Which.SqlState.Should().Be("23514");
        (await LeftAsync(mimeo)).Should().Be(0);
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'big'::regclass")).Should().Be(0);

        // As one leaves it whose process died.
        await mimeo.Databases.AtDestinationAsync("DROP EVENT TRIGGER refuse");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.big");
        await mimeo.Databases.AtDestinationAsync("DELETE FROM omnipg_mimeo.refresh_config_dml; ALTER TABLE big RENAME TO big_omnipg_load");
        var comment = await mimeo.Databases.SourceAsync<string>("SELECT obj_description('omnipg_mimeo.public_big_q'::regclass)");
        await mimeo.Databases.AtDestinationAsync($"COMMENT ON TABLE big_omnipg_load IS '{comment}'");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.big");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM big", "SELECT * FROM big");
        (await LeftAsync(mimeo)).Should().Be(0);
    }

    [Fact]
    public async Task A_table_of_somebody_else_beside_the_destination_is_left_alone()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE big_omnipg_load AS SELECT 1 AS mine");

        var creating = () => mimeo.CreateAsync(ReplicationKind.Table, "public.big");

        await creating.Should().ThrowAsync<DestinationExistsException>();
        (await mimeo.Databases.DestinationAsync<int>("SELECT mine FROM big_omnipg_load")).Should().Be(1);
    }

    private async Task<Mimeo> CreateAsync()
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => (o.SplitLargerThanBytes, o.MaxParallelChunks) = (100_000, 3));
        await mimeo.Databases.AtSourceAsync("CREATE TABLE big (id int PRIMARY KEY, w text); INSERT INTO big SELECT i, 'row number ' || i FROM generate_series(1, 10000) i");
        return mimeo;
    }

    private static Task<long> LeftAsync(Mimeo mimeo) => mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM pg_class WHERE relname LIKE '%omnipg_load%'");

    private sealed class Told(ConcurrentQueue<CopyProgress> told) : IProgress<CopyProgress>
    {
        public void Report(CopyProgress value) => told.Enqueue(value);
    }
}
