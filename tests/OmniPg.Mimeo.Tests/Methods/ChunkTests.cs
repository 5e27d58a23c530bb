using System.Collections.Concurrent;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Large tables, set up by several streams of one snapshot.</summary>
public sealed class ChunkTests(PgClusterFixture fixture)
{
    private const string Locks = "pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

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
            {
                // Each writer has rows of its own: two that change the same ones in one transaction may wait for each other.
                await mimeo.Databases.AtSourceAsync($"UPDATE big SET w = 'w{n} {i}' WHERE id % 400 = {i} AND id / 2501 = {n - 1}");
                await mimeo.Databases.AtSourceAsync($"DELETE FROM big WHERE id = {n * 1000 + i}; INSERT INTO big VALUES ({n * 100000 + i}, 'new')");
            }
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

    [Fact]
    public async Task A_large_snapshot_is_refreshed_in_several_streams_and_keeps_the_indexes_that_it_has_here()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.big", s => s with { Condition = "WHERE id > 100" });
        await mimeo.Databases.AtDestinationAsync("CREATE INDEX own ON big_snap2 (w)");
        var told = new ConcurrentQueue<CopyProgress>();
        foreach (var round in (int[])[1, 2, 3])
        {
            await mimeo.Databases.AtSourceAsync($"UPDATE big SET w = 'round {round}' WHERE id % 7 = {round}; DELETE FROM big WHERE id BETWEEN {round * 1000} AND {(round * 1000) + 500}; INSERT INTO big VALUES ({10_000 + round}, 'new')");
            var refreshed = await mimeo.Client.RefreshAsync(QualifiedName.Parse("public.big"), new RefreshOptions { SkipUnchanged = false }, new Told(told), TestContext.Current.CancellationToken);

            refreshed.Status.Should().Be(RefreshStatus.Refreshed);
            await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM big WHERE id > 100", "SELECT * FROM big");
            told.Max(p => (p.Rows, p.Streams)).Should().Be((refreshed.Rows, 3));
            told.Clear();
        }
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indisvalid AND indrelid = 'big_snap2'::regclass")).Should().Be("own snap2_big_id_pk");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM big_snap1")).Should().Be(0);
    }

    // A role without pg_read_all_stats is not told what kind of process another role's session is.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_reader_whose_snapshot_is_older_than_the_rows_of_several_streams_never_sees_an_empty_table(bool hasFewRights)
    {
        await using var mimeo = await CreateAsync();
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.big");
        var keeper = $"keeper_{Guid.NewGuid():N}";
        if (hasFewRights)
        {
            await mimeo.Databases.AtDestinationAsync($"CREATE ROLE {keeper} LOGIN; GRANT USAGE ON SCHEMA omnipg_mimeo TO {keeper}; GRANT ALL ON ALL TABLES IN SCHEMA omnipg_mimeo TO {keeper}; GRANT USAGE, CREATE ON SCHEMA public TO {keeper}; "
                + $"ALTER TABLE big_snap1 OWNER TO {keeper}; ALTER TABLE big_snap2 OWNER TO {keeper}; ALTER VIEW big OWNER TO {keeper}");
        }
        await using var destination = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(mimeo.Databases.Destination.ConnectionString) { Username = hasFewRights ? keeper : "postgres" }.ConnectionString);
        var client = new MimeoClient(destination, new MimeoOptions { SplitLargerThanBytes = 100_000, MaxParallelChunks = 3 });
        await mimeo.Databases.AtSourceAsync("DELETE FROM big WHERE id > 9000");
        Task<RefreshResult> refreshing;
        await using (var reader = await mimeo.Databases.Destination.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken))
        {
            await using var transaction = await reader.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, TestContext.Current.CancellationToken);
            (await CountAsync(reader, "pg_class")).Should().BePositive();
            refreshing = client.RefreshAsync(QualifiedName.Parse("public.big"), new RefreshOptions { SkipUnchanged = false }, cancellationToken: TestContext.Current.CancellationToken);
            await Eventually.TrueAsync(
                async () => await mimeo.Databases.DestinationAsync<bool>("SELECT count(*) = 9000 AND NOT EXISTS (SELECT FROM " + Locks + ") FROM big_snap2"),
                "the rows are there and the refresh waits for the reader", cancellationToken: TestContext.Current.CancellationToken);

            (await CountAsync(reader, "big")).Should().Be(10_000);
            refreshing.IsCompleted.Should().BeFalse();
        }
        (await refreshing).Rows.Should().Be(9000);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM big", "SELECT * FROM big");

        static async Task<long> CountAsync(NpgsqlConnection connection, string table)
        {
            await using var command = new NpgsqlCommand($"SELECT count(*) FROM {table}", connection);
            return (long)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
        }
    }

    [Fact]
    public async Task A_snapshot_of_several_streams_stays_as_it_was_where_one_breaks_or_its_session_dies_and_the_next_refresh_fills_it()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.big");
        var old = await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM big");
        await mimeo.Databases.AtSourceAsync("UPDATE big SET w = 'new' WHERE id > 9000");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE big_snap2 ADD CONSTRAINT no CHECK (id <> 7000)");
        var refreshing = () => mimeo.RefreshAsync("public.big", new RefreshOptions { SkipUnchanged = false });

        (await refreshing.Should().ThrowAsync<CopyInterruptedException>()).Which.SqlState.Should().Be("23514");
        (await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM big")).Should().Be(old);

        await mimeo.Databases.AtDestinationAsync(
            "ALTER TABLE big_snap2 DROP CONSTRAINT no; CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NEW; END'; CREATE TRIGGER hold BEFORE INSERT ON big_snap2 FOR EACH ROW WHEN (NEW.id % 3000 = 0) EXECUTE FUNCTION hold()");
        Task<RefreshResult> dying;
        await using (await QueueTests.HoldAsync(mimeo.Databases.Destination, "SELECT pg_advisory_lock(4711)"))
        {
            dying = refreshing();
            await Eventually.TrueAsync(
                async () => await mimeo.Databases.DestinationAsync<long>($"SELECT count(*) FROM {Locks} AND objid = 4711 AND NOT granted") == 3, "three streams wait", cancellationToken: TestContext.Current.CancellationToken);
            (await mimeo.Databases.DestinationAsync<bool>($"SELECT bool_and(pg_terminate_backend(pid)) FROM {Locks} AND classid <> 0")).Should().BeTrue();
        }
        var died = () => dying;
        await died.Should().ThrowAsync<MimeoServerException>();
        (await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM big")).Should().Be(old);
        (await refreshing()).Status.Should().Be(RefreshStatus.Refreshed);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM big", "SELECT * FROM big");
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
