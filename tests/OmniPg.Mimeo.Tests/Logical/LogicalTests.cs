using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Tables that follow the log of their source.</summary>
public sealed class LogicalTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Inserts_updates_deletes_and_changed_keys_arrive_in_the_state_after_the_last_of_them()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (a text, b int, doc json, PRIMARY KEY (a, b)); INSERT INTO t SELECT 'k' || i % 10, i, '{}' FROM generate_series(1, 1000) i");

        var created = await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        (created.Rows, created.Spec.Kind, created.Spec.Queue).Should().Be((1000, ReplicationKind.Logical, null));
        created.Spec.Key.Should().Equal("a", "b");
        created.Spec.Slot.Should().MatchRegex("^omnipg_[0-9a-f]{32}$");
        await mimeo.Databases.AtSourceAsync(
            """
            INSERT INTO t VALUES ('new', 1, '[1]'), (E'tab\tand\nmore\\', 2, NULL), ('ü', 3, '{}');
            UPDATE t SET doc = '[2]' WHERE b <= 10;
            DELETE FROM t WHERE b BETWEEN 11 AND 20;
            UPDATE t SET a = 'moved' WHERE b BETWEEN 21 AND 30;
            UPDATE t SET b = b + 5000 WHERE b BETWEEN 31 AND 40;
            DELETE FROM t WHERE b = 50; INSERT INTO t VALUES ('k0', 50, '"back"');
            INSERT INTO t VALUES ('gone', 1, NULL); DELETE FROM t WHERE a = 'gone';
            """);
        var refreshed = await mimeo.RefreshAsync("public.t");

        (refreshed.Status, refreshed.Kind, refreshed.Rows).Should().Be((RefreshStatus.Refreshed, ReplicationKind.Logical, 65L));
        refreshed.Warnings.Should().BeEmpty();
        await SameAsync(mimeo, "SELECT a, b, doc::text FROM t");
        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.NothingNew);
        (await mimeo.Databases.SourceAsync<bool>($"SELECT confirmed_flush_lsn = '{(await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken))!.LastValue}' FROM pg_replication_slots WHERE slot_name = '{created.Spec.Slot}'")).Should().BeTrue();
    }

    [Fact]
    public async Task A_large_value_that_an_update_leaves_alone_stays_even_under_another_key()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            """
            CREATE TABLE t (id int PRIMARY KEY, w text, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
            INSERT INTO t SELECT i, 'old', repeat(i::text, 5000) FROM generate_series(1, 20) i;
            """);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");

        await mimeo.Databases.AtSourceAsync(
            """
            UPDATE t SET w = 'new' WHERE id <= 5;
            UPDATE t SET id = id + 100 WHERE id IN (6, 7);
            UPDATE t SET id = 0 WHERE id = 8; UPDATE t SET id = 8 WHERE id = 9; UPDATE t SET id = 9 WHERE id = 0;
            UPDATE t SET big = repeat('x', 20000) WHERE id = 10; UPDATE t SET w = 'later' WHERE id = 10;
            """);
        await mimeo.RefreshAsync("public.t");

        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_row_of_the_destination_that_is_gone_is_no_place_to_take_the_rest_of_an_update_from()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; INSERT INTO t SELECT i, 'old', repeat(i::text, 5000) FROM generate_series(1, 20) i");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.Databases.AtDestinationAsync("DELETE FROM t WHERE id = 3");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 5");

        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<RowMissingException>()).Which.Code.Should().Be("mimeo.row.missing");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t WHERE w = 'new'")).Should().Be(0);
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_truncate_arrives_in_its_place_among_the_changes()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");

        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new'; TRUNCATE t; INSERT INTO t SELECT i, 'after' FROM generate_series(5, 10) i; UPDATE t SET w = 'last' WHERE id = 7");
        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.Refreshed);
        await SameAsync(mimeo);
        await mimeo.Databases.AtSourceAsync("TRUNCATE t");
        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.Refreshed);

        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(0);
    }

    [Fact]
    public async Task Columns_and_condition_hold_for_the_copy_and_for_the_changes()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int, part int, w text, secret text, PRIMARY KEY (id, part)); INSERT INTO t SELECT i, i % 3, 'w', 's' FROM generate_series(1, 300) i");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t", s => s with { Columns = ["id", "part", "w"], Condition = "WHERE part = 1 OR part = 7" });

        await mimeo.Databases.AtSourceAsync("UPDATE t SET part = 7 WHERE part = 2; UPDATE t SET part = 9 WHERE part = 1 AND id < 100; UPDATE t SET w = 'new', secret = 'x' WHERE id < 50; INSERT INTO t VALUES (1000, 1, 'in', ''), (1001, 2, 'out', '')");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT id, part, w FROM t WHERE part = 1 OR part = 7", "SELECT * FROM t");
    }

    [Fact]
    public async Task A_row_that_comes_under_the_condition_without_its_large_value_is_refused_until_all_is_read()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            "CREATE TABLE t (id int PRIMARY KEY, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; INSERT INTO t SELECT i, repeat(i::text, 5000) FROM generate_series(1, 20) i");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t", s => s with { Condition = "WHERE id > 10" });
        await mimeo.Databases.AtSourceAsync("UPDATE t SET id = id + 100 WHERE id = 5");

        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Message.Should().Contain("without the large value of column 'big'");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t WHERE id > 10", "SELECT * FROM t");
    }

    [Theory]
    [InlineData(ReplicationKind.Logical)]
    [InlineData(ReplicationKind.Dml)]
    public async Task Deletes_arrive_where_a_domain_takes_no_null(ReplicationKind kind)
    {
        const string Domain = "CREATE DOMAIN word AS varchar(9) NOT NULL; CREATE DOMAIN sure AS word CHECK (VALUE <> '');";
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(Domain + "CREATE TABLE t (id int PRIMARY KEY, w sure); INSERT INTO t SELECT i, 'w' FROM generate_series(1, 20) i");
        await mimeo.Databases.AtDestinationAsync(Domain);
        await mimeo.CreateAsync(kind, "public.t");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 6; UPDATE t SET w = 'x' WHERE id = 7; INSERT INTO t VALUES (30, 'new')");

        await mimeo.RefreshAsync("public.t");

        await SameAsync(mimeo);
    }

    [Theory]
    [InlineData("UPDATE t SET id = id + 1000 WHERE id = 5")]
    [InlineData("DELETE FROM t WHERE id = 6")]
    public async Task Changes_that_do_not_tell_the_key_of_their_row_are_refused_until_all_is_read(string change)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, code int NOT NULL UNIQUE); INSERT INTO t SELECT i, i FROM generate_series(1, 20) i");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.Databases.AtSourceAsync($"ALTER TABLE t REPLICA IDENTITY USING INDEX t_code_key; {change}");

        var refreshing = () => mimeo.RefreshAsync("public.t");

        await refreshing.Should().ThrowAsync<ColumnDriftException>();
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t REPLICA IDENTITY DEFAULT");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_limit_ends_with_the_transaction_and_the_rest_comes_next_time()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.RefreshAsync("public.t");
        for (var n = 0; n < 4; n++)
            await mimeo.Databases.AtSourceAsync($"UPDATE t SET w = 'round {n}' WHERE id <= 100");

        var limited = await mimeo.RefreshAsync("public.t", new RefreshOptions { Limit = 150 });

        (limited.Status, limited.Rows).Should().Be((RefreshStatus.LimitReached, 100));
        limited.Warnings.Should().Equal("The limit of 150 changes was reached; the rest waits for the next refresh.");
        (await mimeo.Databases.DestinationAsync<string>("SELECT w FROM t WHERE id = 1")).Should().Be("round 1");
        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.Refreshed);
        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_column_that_was_added_on_both_sides_arrives_and_one_that_was_renamed_is_refused_until_all_is_read()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t ADD COLUMN more int DEFAULT 7");
        await mimeo.Databases.AtSourceAsync(
            "UPDATE t SET w = 'before' WHERE id <= 10; INSERT INTO t VALUES (2000, 'before'); ALTER TABLE t ADD COLUMN more int DEFAULT 7; UPDATE t SET more = 8 WHERE id BETWEEN 5 AND 15; INSERT INTO t VALUES (2001, 'after', 9)");
        await mimeo.RefreshAsync("public.t");
        await SameAsync(mimeo);

        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'old name' WHERE id = 1; ALTER TABLE t RENAME w TO words; UPDATE t SET words = 'new name' WHERE id = 2");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t RENAME w TO words");
        var refreshing = () => mimeo.RefreshAsync("public.t");
        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Message.Should().Contain("column 'words' has come and 'w' has gone since some of these changes").And.Contain("Repull.All");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        await SameAsync(mimeo);

        await mimeo.Databases.AtSourceAsync("UPDATE t SET words = 'x' WHERE id = 1; ALTER TABLE t ALTER more TYPE text USING 'no ' || more");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t ALTER more TYPE text");
        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Message.Should().Contain("column 'more' has changed its type");
    }

    [Fact]
    public async Task A_partitioned_source_arrives_as_one_table()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            "CREATE TABLE t (id int PRIMARY KEY, w text) PARTITION BY RANGE (id); CREATE TABLE t_a PARTITION OF t FOR VALUES FROM (0) TO (500); CREATE TABLE t_b PARTITION OF t FOR VALUES FROM (500) TO (5000); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 1000) i");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET id = id + 2000 WHERE id <= 10; DELETE FROM t WHERE id BETWEEN 600 AND 700; INSERT INTO t_b VALUES (4000, 'direct')");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        await SameAsync(mimeo);

        await mimeo.Databases.AtSourceAsync("DROP TABLE t_a");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().ContainSingle().Which.Should().Contain("partitions came or went");
    }

    [Fact]
    public async Task A_place_of_its_own_and_nothing_at_the_source_are_left_when_it_is_dropped()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t", s => s with { Destination = QualifiedName.Parse("public.t2") });
        (await LeftAsync(mimeo)).Should().Be("2 2");

        (await mimeo.DropAsync("public.t")).SourceStatements.Should().BeEmpty();
        (await LeftAsync(mimeo)).Should().Be("1 1");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 10");
        await mimeo.RefreshAsync("public.t2");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t2");
        var skipped = await mimeo.Client.DropAsync(QualifiedName.Parse("public.t2"), sourceCleanup: SourceCleanup.Skip, cancellationToken: TestContext.Current.CancellationToken);
        foreach (var statement in skipped.SourceStatements)
            await mimeo.Databases.AtSourceAsync(statement);
        (await LeftAsync(mimeo)).Should().Be("0 0");
    }

    [Theory]
    [InlineData("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()", "is gone")]
    [InlineData("SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots WHERE database = current_database()", "stands at")]
    [InlineData("DO $$ BEGIN EXECUTE (SELECT 'DROP PUBLICATION ' || pubname FROM pg_publication); END $$", "is gone")]
    [InlineData("DO $$ DECLARE p name; BEGIN SELECT pubname INTO p FROM pg_publication; EXECUTE 'ALTER PUBLICATION ' || p || ' DROP TABLE t'; EXECUTE 'ALTER PUBLICATION ' || p || ' ADD TABLE t'; END $$", "was changed or made anew")]
    [InlineData("DO $$ BEGIN EXECUTE (SELECT 'ALTER PUBLICATION ' || pubname || ' SET (publish = ''insert'')' FROM pg_publication); END $$", "does not hold the table alone")]
    [InlineData("ALTER TABLE t RENAME TO o; CREATE TABLE t (id int PRIMARY KEY, w text)", "does not hold the table alone")]
    public async Task Changes_that_nobody_kept_are_told_and_a_repull_goes_on_from_there(string loss, string why)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 10");
        await mimeo.Databases.AtSourceAsync(loss);

        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<SlotLostException>()).Which.Message.Should().Contain(why);
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t WHERE w = 'new'")).Should().Be(0);
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        await SameAsync(mimeo);
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (5000, 'more'); DELETE FROM t WHERE id = 3");
        await mimeo.RefreshAsync("public.t");
        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_source_whose_own_updates_would_fail_once_it_is_published_is_refused()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            """
            CREATE TABLE bare (id int NOT NULL, w text); CREATE UNIQUE INDEX bare_id ON bare (id);
            CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t VALUES (1, 'x');
            CREATE UNLOGGED TABLE loose (id int PRIMARY KEY);
            CREATE TABLE made (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
            CREATE TABLE whole (id int PRIMARY KEY, w text); ALTER TABLE whole REPLICA IDENTITY FULL;
            CREATE VIEW seen AS SELECT * FROM t;
            """);

        (await RefusedAsync("bare", s => s)).Should().Contain("has no replica identity, and would refuse UPDATE and DELETE");
        (await RefusedAsync("t", s => s with { Condition = "WHERE w = 'x'" })).Should().Contain("the condition reads 'w', which is not in the replica identity");
        (await RefusedAsync("t", s => s with { Condition = ", bare WHERE t.id = bare.id" })).Should().Contain("reads no further tables");
        (await RefusedAsync("loose", s => s)).Should().Contain("it is not logged");
        (await RefusedAsync("made", s => s)).Should().Contain("column 'twice' is generated");
        (await RefusedAsync("whole", s => s with { Columns = ["id"] })).Should().Contain("REPLICA IDENTITY FULL, which no list of columns covers");
        (await LeftAsync(mimeo)).Should().Be("0 0");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'y'; DELETE FROM bare");
        var viewing = () => mimeo.CreateAsync(ReplicationKind.Logical, "public.seen", s => s with { Key = ["id"] });
        await viewing.Should().ThrowAsync<SourceKindException>();

        await mimeo.Databases.AtSourceAsync("ALTER TABLE bare REPLICA IDENTITY USING INDEX bare_id; INSERT INTO whole VALUES (1, 'x'), (2, 'y')");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.bare");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.whole", s => s with { Condition = "WHERE w = 'x'" });
        await mimeo.Databases.AtSourceAsync("INSERT INTO bare VALUES (1, 'x'); UPDATE bare SET w = 'z'; UPDATE whole SET w = 'x' WHERE id = 2; UPDATE whole SET w = 'y' WHERE id = 1");
        await mimeo.RefreshAsync("public.bare");
        await mimeo.RefreshAsync("public.whole");
        await SameAsync(mimeo, "SELECT * FROM bare");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM whole WHERE w = 'x'", "SELECT * FROM whole");

        async Task<string> RefusedAsync(string table, Func<ReplicationSpec, ReplicationSpec> change)
        {
            var creating = () => mimeo.CreateAsync(ReplicationKind.Logical, "public." + table, change);
            return (await creating.Should().ThrowAsync<LogicalSourceException>()).Which.Message;
        }
    }

    [Fact]
    public async Task A_table_that_stands_there_with_its_constraints_is_filled_by_a_repull_and_followed_in_a_group()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        const string Tables = "CREATE TABLE a (id int PRIMARY KEY, w text NOT NULL DEFAULT 'none'); CREATE TABLE b (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL)";
        await mimeo.Databases.AtSourceAsync(Tables + "; INSERT INTO a SELECT i, 'x' FROM generate_series(1, 100) i; INSERT INTO b (a) SELECT i FROM generate_series(1, 100) i");
        await mimeo.Databases.AtDestinationAsync(Tables);
        foreach (var table in (string[])["public.a", "public.b"])
        {
            (await mimeo.CreateAsync(ReplicationKind.Logical, table)).DestinationExisted.Should().BeTrue();
            await mimeo.RefreshAsync(table, new RefreshOptions { Repull = Repull.All });
        }
        await mimeo.Databases.AtSourceAsync("BEGIN; INSERT INTO a VALUES (101, 'new'); INSERT INTO b (a) VALUES (101); COMMIT; DELETE FROM b WHERE a = 5; DELETE FROM a WHERE id = 5");

        var results = await mimeo.Client.RefreshGroupAsync([QualifiedName.Parse("public.a"), QualifiedName.Parse("public.b")], cancellationToken: TestContext.Current.CancellationToken);

        results.Select(r => (r.Status, r.Rows)).Should().Equal((RefreshStatus.Refreshed, 2L), (RefreshStatus.Refreshed, 2L));
        await SameAsync(mimeo, "SELECT * FROM a");
        await SameAsync(mimeo, "SELECT * FROM b");
    }

    [Fact]
    public async Task A_set_up_that_fails_leaves_nothing_at_the_source_and_what_one_that_died_has_left_is_replaced()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        var failing = () => mimeo.CreateAsync(ReplicationKind.Logical, "public.t", s => s with { Destination = QualifiedName.Parse("nowhere.t") });
        await failing.Should().ThrowAsync<MimeoServerException>();
        (await LeftAsync(mimeo)).Should().Be("0 0");

        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.Databases.AtDestinationAsync("DELETE FROM omnipg_mimeo.refresh_config_logical; DROP TABLE t");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        (await LeftAsync(mimeo)).Should().Be("1 1");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 10");
        await mimeo.RefreshAsync("public.t");
        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_transaction_that_stays_open_keeps_a_slot_from_being_made_for_the_time_of_a_lock_only()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.LockTimeout = TimeSpan.FromMilliseconds(300));
        await TableAsync(mimeo);
        var creating = () => mimeo.CreateAsync(ReplicationKind.Logical, "public.t").WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        await using (await QueueTests.HoldAsync(mimeo.Databases.Source, "BEGIN; CREATE TABLE other ()"))
            (await creating.Should().ThrowAsync<MimeoLockException>()).Which.Message.Should().StartWith("'public.t' was locked by others for too long to make its slot at source 'erp', which waits for every transaction that is open there.");
        (await LeftAsync(mimeo)).Should().Be("0 0");

        // Whatever other tests have open on this server is waited for as well.
        var patient = new MimeoClient(mimeo.Databases.Destination.DataSource, new MimeoOptions { LockTimeout = TimeSpan.FromMinutes(1) });
        (await patient.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Logical, From = "erp", Source = QualifiedName.Parse("public.t") }, cancellationToken: TestContext.Current.CancellationToken)).Rows.Should().Be(1000);
    }

    [Fact]
    public async Task A_commit_that_is_in_the_log_before_others_see_it_is_neither_lost_nor_taken_twice()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await fixture.Cluster.ExecuteAsync("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", TestContext.Current.CancellationToken);
        try
        {
            await fixture.Cluster.ExecuteAsync("SELECT pg_reload_conf()", TestContext.Current.CancellationToken);
            await using var waiting = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Pooling = false, Options = "-c synchronous_commit=on" }.ConnectionString);
            await waiting.OpenAsync(TestContext.Current.CancellationToken);
            await using var command = new NpgsqlCommand("UPDATE t SET w = 'waits' WHERE id = 1", waiting);
            var committing = command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            await Eventually.TrueAsync(
                async () => await mimeo.Databases.SourceAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep')"), "the commit waits for a standby",
                cancellationToken: TestContext.Current.CancellationToken);
            await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'seen' WHERE id = 2");

            (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(1);
            await SameAsync(mimeo);
            await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'later' WHERE id = 3");
            (await mimeo.RefreshAsync("public.t", new RefreshOptions { Limit = 1 })).Rows.Should().Be(1);
            await SameAsync(mimeo);
            await mimeo.Databases.AtSourceAsync("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'");
            await committing;
        }
        finally
        {
            await fixture.Cluster.ExecuteAsync("ALTER SYSTEM RESET synchronous_standby_names", TestContext.Current.CancellationToken);
            await fixture.Cluster.ExecuteAsync("SELECT pg_reload_conf()", TestContext.Current.CancellationToken);
        }

        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(1);
        await SameAsync(mimeo);
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(w, ' ' ORDER BY id) FROM t WHERE id <= 3")).Should().Be("waits seen later");
    }

    [Fact]
    public async Task A_slot_that_did_not_move_on_brings_nothing_twice()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 10; DELETE FROM t WHERE id = 20; INSERT INTO t VALUES (2000, 'more')");
        await mimeo.Databases.AtDestinationAsync(
            """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4712); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold();
            """);
        RefreshResult result;
        await using (var holder = await QueueTests.HoldAsync(mimeo.Databases.Destination, "SELECT pg_advisory_lock(4712)"))
        {
            var refreshing = mimeo.RefreshAsync("public.t");
            await Eventually.TrueAsync(
                async () => await mimeo.Databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND NOT granted)"),
                "the destination is about to commit", cancellationToken: TestContext.Current.CancellationToken);
            (await mimeo.Databases.SourceAsync<bool>("SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")).Should().BeTrue();
            await holder.DisposeAsync();
            result = await refreshing;
        }

        result.Warnings.Should().ContainSingle().Which.Should().Contain("did not move on (");
        await SameAsync(mimeo);
        // Its changes come once more, and would show where the destination was changed meanwhile.
        await mimeo.Databases.AtDestinationAsync("UPDATE t SET w = 'mine' WHERE id = 1");
        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.NothingNew);
        (await mimeo.Databases.DestinationAsync<string>("SELECT w FROM t WHERE id = 1")).Should().Be("mine");
    }

    [Fact]
    public async Task A_transaction_larger_than_memory_arrives_as_one()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");
        await mimeo.Databases.AtSourceAsync("BEGIN; INSERT INTO t SELECT i, repeat(i::text, 250000) FROM generate_series(2001, 2080) i; UPDATE t SET w = 'short' WHERE id = 2001; DELETE FROM t WHERE id = 2002; UPDATE t SET id = 5000 WHERE id = 2003; COMMIT");

        (await mimeo.RefreshAsync("public.t")).Rows.Should().BeGreaterThan(80);

        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_role_with_the_statements_that_the_errors_say_can_follow_a_table_of_another()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        var role = $"puller_{Path.GetRandomFileName()[..6]}";
        await mimeo.Databases.AtSourceAsync($"CREATE ROLE {role} LOGIN; GRANT SELECT ON t TO {role}");
        await mimeo.Client.AddSourceAsync("erp", fixture.Cluster.GetConnectionString(mimeo.Databases.Source.Name, role), TestContext.Current.CancellationToken);
        var creating = () => mimeo.CreateAsync(ReplicationKind.Logical, "public.t");

        (await HintAsync()).Should().Be($"ALTER ROLE {role} REPLICATION;");
        (await HintAsync()).Should().StartWith("CREATE PUBLICATION omnipg_");
        await creating();
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 10; DELETE FROM t WHERE id > 990");
        await mimeo.RefreshAsync("public.t");
        await SameAsync(mimeo);
        var dropped = await mimeo.DropAsync("public.t");
        await mimeo.Databases.AtSourceAsync(dropped.SourceStatements.Should().ContainSingle().Which);
        (await LeftAsync(mimeo)).Should().Be("0 0");

        async Task<string> HintAsync()
        {
            var hint = (await creating.Should().ThrowAsync<MimeoPermissionException>()).Which.Hint!["Run as owner: ".Length..];
            await mimeo.Databases.AtSourceAsync(hint);
            return hint;
        }
    }

    private static Task TableAsync(Mimeo mimeo) => mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 1000) i");

    private static Task SameAsync(Mimeo mimeo, string query = "SELECT * FROM t") => mimeo.Databases.ShouldBeEqualAsync(query, query);

    private static Task<string> LeftAsync(Mimeo mimeo) => mimeo.Databases.SourceAsync<string>(
        "SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()) || ' ' || (SELECT count(*) FROM pg_publication)");
}
