using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

public sealed class SnapshotTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task A_snapshot_is_created_refreshed_and_dropped_with_the_rows_of_its_source()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.orders");
        await mimeo.Databases.AtSourceAsync("CREATE INDEX orders_col2_idx ON orders (lower(col2) DESC) WHERE col1 > 5");

        var created = await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.orders");
        (created.Rows, created.DestinationExisted, created.Warnings.Count).Should().Be((10_000, false, 0));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM orders", "SELECT * FROM orders");
        await mimeo.AddRowsAsync("orders", 10_001, 20_000);
        await mimeo.Databases.AtSourceAsync("DELETE FROM orders WHERE col1 < 100; UPDATE orders SET col2 = 'changed' WHERE col1 = 500");
        // The counters of the writes arrive up to a second later.
        var refreshed = await mimeo.RefreshAsync("public.orders", new RefreshOptions { SkipUnchanged = false });

        (refreshed.Status, refreshed.Rows, refreshed.Format).Should().Be((RefreshStatus.Refreshed, 19_901, CopyFormat.Binary));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM orders", "SELECT * FROM orders");
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(pg_get_indexdef(indexrelid), E'\\n' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'orders_snap2'::regclass"))
            .Should().Be("CREATE UNIQUE INDEX snap2_orders_col1_pk ON public.orders_snap2 USING btree (col1)\n"
                + "CREATE INDEX snap2_orders_col2_idx ON public.orders_snap2 USING btree (lower(col2) DESC) WHERE (col1 > 5)");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM orders_snap1")).Should().Be(0);

        var dropped = await mimeo.DropAsync("public.orders");
        dropped.Dropped.Select(d => d.ToString()).Should().Equal("public.orders", "public.orders_snap1");
        (await mimeo.Databases.DestinationAsync<char>("SELECT relkind FROM pg_class WHERE oid = 'orders'::regclass")).Should().Be('r');
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM orders", "SELECT * FROM orders");
        (await mimeo.Client.ListAsync(TestContext.Current.CancellationToken)).Should().BeEmpty();
    }

    [Fact]
    public async Task An_unchanged_source_is_not_read_and_truncate_and_new_partitions_are_seen()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE parted (i int, t text) PARTITION BY RANGE (i); CREATE TABLE p1 PARTITION OF parted FOR VALUES FROM (0) TO (100); INSERT INTO parted SELECT i, 'x' FROM generate_series(0, 99) i");
        await SettleAsync(mimeo, "p1", 100);
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.parted");

        (await mimeo.RefreshAsync("public.parted")).Status.Should().Be(RefreshStatus.SkippedUnchanged);
        (await mimeo.RefreshAsync("public.parted", new RefreshOptions { SkipUnchanged = false })).Status.Should().Be(RefreshStatus.Refreshed);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE p2 PARTITION OF parted FOR VALUES FROM (100) TO (200); INSERT INTO parted VALUES (150, 'new')");
        (await mimeo.RefreshAsync("public.parted")).Rows.Should().Be(101);
        await mimeo.Databases.AtSourceAsync("TRUNCATE parted");
        var emptied = await mimeo.RefreshAsync("public.parted");

        (emptied.Status, emptied.Rows).Should().Be((RefreshStatus.Refreshed, 0));
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM parted")).Should().Be(0);
    }

    [Theory]
    [InlineData("WHERE at < now()")]
    [InlineData("WHERE at < current_timestamp")]
    [InlineData("WHERE at < 'tomorrow'")]
    [InlineData("WHERE at < 'to'\n'day'")]
    [InlineData("WHERE at < E'\\x6eow'")]
    [InlineData("WHERE at < CAST('2030-01-01' AS timestamptz) AND keep(i)")]
    [InlineData("WHERE (t).keep")]
    [InlineData("WHERE t.keep")]
    [InlineData("WHERE i = r", "CREATE FUNCTION same(int, real) RETURNS bool STABLE LANGUAGE sql AS 'SELECT true'; CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = real, FUNCTION = same)")]
    [InlineData("WHERE i IN (TABLE other)")]
    [InlineData("WHERE hour < '10:00' OR i = 1", "ALTER TABLE t ADD hour timetz")]
    public async Task A_condition_that_may_take_other_rows_without_a_write_is_asked_again(string condition, string more = "")
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            $"""
            CREATE TABLE t (i int, at timestamptz, r real); CREATE TABLE other (i int); INSERT INTO t VALUES (1, '2020-01-01');
            CREATE FUNCTION keep(int) RETURNS bool STABLE LANGUAGE sql AS 'SELECT true'; CREATE FUNCTION keep(t) RETURNS bool STABLE LANGUAGE sql AS 'SELECT true';
            {more}
            """);
        await SettleAsync(mimeo, "t", 1);
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.t", s => s with { Condition = condition });

        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.Refreshed);
    }

    [Theory]
    [InlineData("WHERE i > 0 AND (t.\"now\" LIKE 'a%' OR \"now\" IS NOT NULL) AND i BETWEEN -1 AND 10.5 AND i IN (1, 2)")]
    [InlineData("where at < '2030-01-01 it''s' or not i <> 1")]
    public async Task A_condition_of_columns_and_constants_lets_an_unchanged_source_be_skipped(string condition)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (i int, at text, \"now\" text); INSERT INTO t VALUES (1, '2020-01-01', 'abc')");
        await SettleAsync(mimeo, "t", 1);
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.t", s => s with { Condition = condition });

        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.SkippedUnchanged);
    }

    [Fact]
    public async Task Changed_columns_arrive_in_one_refresh_and_keep_owner_grants_comments_and_run_the_post_script()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, \"od'd col\" text, gone int); INSERT INTO t VALUES (1, 'a', 2)");
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.t", spec => spec with { PostScript = ["CREATE TABLE post (i int)", "INSERT INTO post VALUES (7)"] });
        var role = $"reader_{Guid.NewGuid():N}";
        await mimeo.Databases.AtDestinationAsync($"CREATE ROLE {role}; GRANT SELECT ON t TO PUBLIC; GRANT SELECT ON t_snap1, t_snap2 TO {role}; GRANT UPDATE (id) ON t TO {role}; GRANT SELECT ON t TO {role} WITH GRANT OPTION; COMMENT ON VIEW t IS 'it''s mine'; ALTER VIEW t OWNER TO {role}");

        await mimeo.Databases.AtSourceAsync("ALTER TABLE t DROP COLUMN gone, ADD COLUMN fresh numeric(10, 2) DEFAULT 1.5; ALTER TABLE t ALTER id TYPE bigint");
        var result = await mimeo.RefreshAsync("public.t");

        result.Warnings.Should().Equal("The columns of source 'public.t' have changed: view and tables of 'public.t' were made anew.");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
        foreach (var table in (string[])["t", "t_snap1", "t_snap2"])
        {
            (await mimeo.Databases.DestinationAsync<string>($"SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped"))
                .Should().Be("id bigint, od'd col text, fresh numeric(10,2)");
        }
        (await mimeo.Databases.DestinationAsync<string>("SELECT obj_description('t'::regclass) || ' ' || pg_get_userbyid(relowner) FROM pg_class WHERE oid = 't'::regclass")).Should().Be($"it's mine {role}");
        (await mimeo.Databases.DestinationAsync<bool>("SELECT has_table_privilege('public', 't', 'SELECT')")).Should().BeTrue();
        (await mimeo.Databases.DestinationAsync<int>("SELECT i FROM post")).Should().Be(7);
        (await mimeo.RefreshAsync("public.t", new RefreshOptions { SkipUnchanged = false })).Warnings.Should().BeEmpty();
    }

    [Fact]
    public async Task A_column_called_snap1_does_not_freeze_the_view()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE the_snap1_t (the_snap1 int); INSERT INTO the_snap1_t VALUES (1)");
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.the_snap1_t");

        for (var i = 2; i < 5; i++)
        {
            await mimeo.Databases.AtSourceAsync($"UPDATE the_snap1_t SET the_snap1 = {i}");
            await mimeo.RefreshAsync("public.the_snap1_t", new RefreshOptions { SkipUnchanged = false });
            (await mimeo.Databases.DestinationAsync<int>("SELECT the_snap1 FROM the_snap1_t")).Should().Be(i);
        }
    }

    [Fact]
    public async Task Readers_never_see_an_empty_or_half_loaded_snapshot()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.busy");
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.busy");
        using var stop = new CancellationTokenSource();
        var reading = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            var counts = new HashSet<long>();
            while (!stop.IsCancellationRequested)
                counts.Add(await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM busy"));
            return counts;
        }, TestContext.Current.CancellationToken)).ToArray();

        for (var i = 0; i < 10; i++)
            (await mimeo.RefreshAsync("public.busy", new RefreshOptions { SkipUnchanged = false })).Status.Should().Be(RefreshStatus.Refreshed);
        await stop.CancelAsync();

        foreach (var counts in await Task.WhenAll(reading))
            counts.Should().Equal(10_000);
    }

    [Fact]
    public async Task A_load_waits_for_a_reader_with_its_view_and_is_not_lost()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.LockTimeout = TimeSpan.FromMilliseconds(200));
        await mimeo.MakeSourceAsync("public.held");
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.held");
        await mimeo.Databases.AtSourceAsync("DELETE FROM held WHERE col1 > 10");
        await using var reader = await mimeo.Databases.Destination.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await reader.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var count = new Npgsql.NpgsqlCommand("SELECT count(*) FROM held", reader))
            (await count.ExecuteScalarAsync(TestContext.Current.CancellationToken)).Should().Be(10_000L);

        var refreshing = mimeo.RefreshAsync("public.held", new RefreshOptions { SkipUnchanged = false });
        await Eventually.TrueAsync(async () => await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM held_snap2") == 10, "the load is committed", cancellationToken: TestContext.Current.CancellationToken);
        await transaction.CommitAsync(TestContext.Current.CancellationToken);

        (await refreshing).Warnings.Should().BeEmpty();
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM held")).Should().Be(10);
    }

    [Fact]
    public async Task A_repeatable_reader_that_opens_the_view_after_the_change_sees_the_new_rows()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.late");
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.late");
        await using var reader = await mimeo.Databases.Destination.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await reader.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, TestContext.Current.CancellationToken);
        await using (var snapshot = new Npgsql.NpgsqlCommand("SELECT 1", reader))
            await snapshot.ExecuteScalarAsync(TestContext.Current.CancellationToken);
        await mimeo.AddRowsAsync("late", 10_001, 10_005);

        await mimeo.RefreshAsync("public.late", new RefreshOptions { SkipUnchanged = false });

        await using var count = new Npgsql.NpgsqlCommand("SELECT count(*) FROM late", reader);
        (await count.ExecuteScalarAsync(TestContext.Current.CancellationToken)).Should().Be(10_005L);
    }

    [Fact]
    public async Task A_dependent_view_stops_the_rebuild_and_nothing_changes()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.d");
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.d");
        await mimeo.Databases.AtDestinationAsync("CREATE VIEW upon AS SELECT col1 FROM d");
        await mimeo.Databases.AtSourceAsync("ALTER TABLE d ADD COLUMN more int");

        var refreshing = () => mimeo.RefreshAsync("public.d");

        (await refreshing.Should().ThrowAsync<DependentObjectsException>()).Which.Message.Should().Contain("view public.upon depends on view public.d");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM upon")).Should().Be(10_000);
    }

    [Fact]
    public async Task What_stands_in_the_way_of_a_snapshot_is_named_and_nothing_is_left_behind()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.w");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE w_snap2 (i int)");

        var creating = () => mimeo.CreateAsync(ReplicationKind.Snapshot, "public.w");

        (await creating.Should().ThrowAsync<DestinationExistsException>()).Which.Message.Should().StartWith("Relation 'public.w_snap2' exists");
        (await mimeo.Databases.DestinationAsync<bool>("SELECT to_regclass('w_snap1') IS NULL AND to_regclass('w') IS NULL")).Should().BeTrue();
    }

    [Fact]
    public async Task A_schema_that_is_missing_is_named_and_the_hint_says_who_makes_it()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.w");

        var creating = () => mimeo.CreateAsync(ReplicationKind.Snapshot, "public.w", spec => spec with { Destination = QualifiedName.Parse("dw.w") });

        var refused = (await creating.Should().ThrowAsync<MimeoServerException>()).Which;
        refused.Message.Should().EndWith("schema \"dw\" does not exist Hint: Create the schema at the destination first: a set-up makes tables only.");
    }

    // The counters of a session reach the others at its next idle moment, at most once a second.
    private static Task SettleAsync(Mimeo mimeo, string table, long inserted) => Eventually.TrueAsync(
        async () => await mimeo.Databases.SourceAsync<long>($"SELECT pg_stat_get_tuples_inserted('{table}'::regclass)") == inserted, "the counters have arrived", cancellationToken: TestContext.Current.CancellationToken);
}
