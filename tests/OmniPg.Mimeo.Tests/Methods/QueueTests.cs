using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Tables that follow every insert, update and delete through a queue at the source.</summary>
public sealed class QueueTests(PgClusterFixture fixture)
{
    private const string Queue = "omnipg_mimeo.public_t_q";

    [Fact]
    public async Task Inserts_updates_deletes_and_changed_keys_arrive_whichever_part_of_the_key_it_was()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (a text, b int, doc json, PRIMARY KEY (a, b)); INSERT INTO t SELECT 'k' || i % 10, i, '{}' FROM generate_series(1, 1000) i");

        var created = await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        (created.Rows, created.Spec.Queue, created.Spec.LastValue).Should().Be((1000, QualifiedName.Parse(Queue), null));
        created.Spec.Key.Should().Equal("a", "b");
        await mimeo.Databases.AtSourceAsync(
            "INSERT INTO t VALUES ('new', 1, '[1]'); UPDATE t SET doc = '[2]' WHERE b <= 10; DELETE FROM t WHERE b BETWEEN 11 AND 20; UPDATE t SET a = 'moved' WHERE b BETWEEN 21 AND 30; UPDATE t SET b = b + 5000 WHERE b BETWEEN 31 AND 40; UPDATE t SET doc = doc WHERE b > 500 AND b <= 600");
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(1 + 11 + 10 + 20 + 20);
        var refreshed = await mimeo.RefreshAsync("public.t");

        (refreshed.Status, refreshed.Rows, refreshed.Format).Should().Be((RefreshStatus.Refreshed, 61, CopyFormat.Binary));
        refreshed.Warnings.Should().BeEmpty();
        await SameAsync(mimeo, "SELECT a, b, doc::text FROM t");
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(0);
        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.NothingNew);
    }

    [Fact]
    public async Task A_row_comes_and_goes_with_the_condition_even_by_a_column_that_is_not_copied()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, hidden int); INSERT INTO t SELECT i, 'x', i % 2 FROM generate_series(1, 100) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Columns = ["id", "w"], Condition = "WHERE hidden = 1 OR id = 2" });

        await mimeo.Databases.AtSourceAsync("UPDATE t SET hidden = 1 - hidden WHERE id IN (3, 4, 5, 6)");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT id, w FROM t WHERE hidden = 1 OR id = 2", "SELECT * FROM t");
    }

    [Fact]
    public async Task A_change_of_other_columns_leaves_the_queue_empty_and_one_by_another_trigger_does_not()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            """
            CREATE TABLE t (id int PRIMARY KEY, w text, other int); INSERT INTO t SELECT i, 'x', 0 FROM generate_series(1, 100) i;
            CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.other = 7 THEN NEW.w := ''touched''; END IF; RETURN NEW; END';
            CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
            """);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Columns = ["id", "w"] });

        await mimeo.Databases.AtSourceAsync("UPDATE t SET other = 1");
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(0);
        await mimeo.Databases.AtSourceAsync("UPDATE t SET other = 7 WHERE id = 5");
        await mimeo.RefreshAsync("public.t");

        (await mimeo.Databases.DestinationAsync<string>("SELECT w FROM t WHERE id = 5")).Should().Be("touched");
    }

    [Fact]
    public async Task A_limit_takes_entries_in_the_order_of_the_key_and_leaves_the_rest()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (a text COLLATE \"C\", b int, w text, PRIMARY KEY (a, b)); INSERT INTO t SELECT 'k' || i % 2, i, 'x' FROM generate_series(1, 1000) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { BatchLimit = 100 });
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'y'; UPDATE t SET w = 'z'");

        var limited = await mimeo.RefreshAsync("public.t");
        (limited.Status, limited.Rows).Should().Be((RefreshStatus.LimitReached, 50));
        limited.Warnings.Should().Equal("The limit of 100 entries was reached; the rest waits for the next refresh.");
        (await mimeo.Databases.DestinationAsync<string>("SELECT count(*) || ' ' || min(a || b) || ' ' || max(b) FROM t WHERE w = 'z'")).Should().Be("50 k010 100");
        (await mimeo.RefreshAsync("public.t", new RefreshOptions { Limit = 1900 })).Rows.Should().Be(950);
        await SameAsync(mimeo);
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'q' WHERE b <= 80");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().Equal("The limit of 100 entries was nearly reached.");
    }

    [Fact]
    public async Task Changes_that_are_applied_in_several_slices_arrive_all_or_none()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, repeat(md5(i::text), 12) FROM generate_series(1, 40000) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        var before = await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = w || 'x' WHERE id % 4 <> 0; DELETE FROM t WHERE id % 4 = 0; INSERT INTO t SELECT i, repeat(md5(i::text), 12) FROM generate_series(40001, 45000) i");

        // Of the last slice.
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t ADD CONSTRAINT no CHECK (id <> 44999)");
        await mimeo.Invoking(m => m.RefreshAsync("public.t")).Should().ThrowAsync<OmniPgException>();
        (await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM t")).Should().Be(before);
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(45_000);
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t DROP CONSTRAINT no");
        var refreshed = await mimeo.RefreshAsync("public.t");

        refreshed.Rows.Should().Be(45_000);
        await SameAsync(mimeo);
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(0);
    }

    [Fact]
    public async Task A_refused_row_keeps_the_queue_and_the_table_as_they_were()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t ADD CONSTRAINT no CHECK (w <> 'bad')");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'bad' WHERE id = 1; DELETE FROM t WHERE id = 2");

        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<MimeoException>()).Which.SqlState.Should().Be("23514");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(1000);
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(2);
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t DROP CONSTRAINT no");
        await mimeo.RefreshAsync("public.t");
        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_queue_that_gives_no_entry_away_keeps_the_table_as_it_was()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtSourceAsync(
            $"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''kept''; END'; CREATE TRIGGER no BEFORE DELETE ON {Queue} EXECUTE FUNCTION no(); UPDATE t SET w = 'new' WHERE id <= 10");

        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<SourceConnectionException>()).Which.Message.Should().Contain("kept");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t WHERE w = 'new'")).Should().Be(0);
        await mimeo.Databases.AtSourceAsync($"DROP TRIGGER no ON {Queue}");
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(10);
        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_key_that_a_writer_of_the_destination_was_faster_with_gets_the_row_of_the_source()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (2000, 'theirs'); DELETE FROM t WHERE id = 1; UPDATE t SET w = 'new' WHERE id = 2");
        await using var writer = await mimeo.Databases.Destination.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var writing = await writer.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var insert = new NpgsqlCommand("INSERT INTO t VALUES (2000, 'own')", writer, writing))
            await insert.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var refreshing = mimeo.RefreshAsync("public.t");
        await Eventually.TrueAsync(
            async () => await mimeo.Databases.DestinationAsync<bool>($"SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND {writer.ProcessID} = ANY (pg_blocking_pids(pid)))"),
            "the refresh waits for the writer", cancellationToken: TestContext.Current.CancellationToken);
        await writing.CommitAsync(TestContext.Current.CancellationToken);
        await refreshing;

        await SameAsync(mimeo);
    }

    [Fact]
    public async Task A_refresh_that_finds_nothing_new_writes_nothing_about_its_source()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        var before = await mimeo.Databases.DestinationAsync<string>("SELECT ctid::text FROM omnipg_mimeo.table_state");

        await mimeo.RefreshAsync("public.t");

        (await mimeo.Databases.DestinationAsync<string>("SELECT ctid::text FROM omnipg_mimeo.table_state")).Should().Be(before);
    }

    [Fact]
    public async Task Changes_that_the_source_did_not_forget_are_applied_once_more_to_the_same_effect()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 10; DELETE FROM t WHERE id = 20; INSERT INTO t VALUES (2000, 'more')");
        // Ends the source's session when the destination is about to commit.
        await mimeo.Databases.AtDestinationAsync(
            """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4712); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold();
            """);
        RefreshResult result;
        await using (var holder = await HoldAsync(mimeo.Databases.Destination, "SELECT pg_advisory_lock(4712)"))
        {
            var refreshing = mimeo.RefreshAsync("public.t");
            await Eventually.TrueAsync(
                async () => await mimeo.Databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND NOT granted)"),
                "the destination is about to commit", cancellationToken: TestContext.Current.CancellationToken);
            (await mimeo.Databases.SourceAsync<bool>("SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")).Should().BeTrue();
            await holder.DisposeAsync();
            result = await refreshing;
        }

        result.Warnings.Should().ContainSingle().Which.Should().StartWith("The rows have arrived, but source 'erp' did not empty its queue (");
        await SameAsync(mimeo);
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(12);
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(12);
        await SameAsync(mimeo);
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(0);
    }

    [Fact]
    public async Task One_source_feeds_several_destinations_and_dropping_one_leaves_the_others_their_queues()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        foreach (var name in (string[])["public.t", "public.t1", "public.t2"])
            await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Destination = QualifiedName.Parse(name) });
        (await mimeo.Client.ListAsync(TestContext.Current.CancellationToken)).Select(s => s.Queue!.Value.ToString()).Should().Equal(Queue, Queue + "01", Queue + "02");

        (await mimeo.DropAsync("public.t1", keepTable: false)).Dropped.Should().Equal(QualifiedName.Parse("public.t1"));
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 10");
        await mimeo.RefreshAsync("public.t");
        await mimeo.RefreshAsync("public.t2");

        await SameAsync(mimeo);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t2");
        (await mimeo.Databases.SourceAsync<string>("SELECT string_agg(tgname, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 't'::regclass")).Should().Be("public_t_mimeo_trig public_t_mimeo_trig02");
        await mimeo.DropAsync("public.t");
        await mimeo.DropAsync("public.t2");
        (await LeftAsync(mimeo)).Should().Be(0);
    }

    [Fact]
    public async Task The_hundred_and_first_destination_of_a_source_is_refused()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.Databases.AtSourceAsync(
            "CREATE SCHEMA omnipg_mimeo; DO $$ BEGIN EXECUTE 'CREATE TABLE omnipg_mimeo.public_t_q ()'; FOR i IN 1 .. 98 LOOP EXECUTE 'CREATE TABLE omnipg_mimeo.public_t_q' || to_char(i, 'FM00') || ' ()'; END LOOP; END $$");

        (await mimeo.CreateAsync(ReplicationKind.Dml, "public.t")).Spec.Queue.Should().Be(QualifiedName.Parse(Queue + "99"));
        var creating = () => mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Destination = QualifiedName.Parse("public.t2") });

        (await creating.Should().ThrowAsync<QueueLimitException>()).Which.Message.Should().StartWith("Limit of 99 queue tables for a single source table reached");
    }

    [Fact]
    public async Task A_set_up_that_fails_or_dies_leaves_nothing_at_the_source()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE t (id text, w text)");

        var failing = () => mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await failing.Should().ThrowAsync<ColumnDriftException>();
        (await LeftAsync(mimeo)).Should().Be(0);

        // As one that died leaves it: nobody was there to clean up.
        await mimeo.Databases.AtDestinationAsync("DROP TABLE t");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtDestinationAsync("DELETE FROM omnipg_mimeo.refresh_config_dml; DROP TABLE t");
        (await mimeo.CreateAsync(ReplicationKind.Dml, "public.t")).Spec.Queue.Should().Be(QualifiedName.Parse(Queue));
        (await LeftAsync(mimeo)).Should().Be(3);
    }

    [Fact]
    public async Task A_role_with_the_grants_of_the_documentation_can_do_all_of_it_and_is_told_of_each_that_is_missing()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync($"CREATE ROLE {role} LOGIN; GRANT SELECT ON t TO {role}");
        await mimeo.Client.AddSourceAsync("erp", new NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);

        var creating = () => mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        var hint = (await creating.Should().ThrowAsync<MimeoPermissionException>()).Which.Hint!;
        hint.Should().Be($"Run as owner: GRANT TRIGGER ON public.t TO {role}; CREATE SCHEMA omnipg_mimeo AUTHORIZATION {role};");
        await mimeo.Databases.AtSourceAsync(hint["Run as owner: ".Length..]);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id = 1");
        await mimeo.RefreshAsync("public.t");
        await SameAsync(mimeo);

        // The trigger is the owner's to drop.
        var dropping = () => mimeo.DropAsync("public.t");
        (await dropping.Should().ThrowAsync<MimeoPermissionException>()).Which.Hint.Should().Contain("DROP TRIGGER public_t_mimeo_trig ON public.t;");
        (await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken)).Should().NotBeNull();
        var dropped = await mimeo.Client.DropAsync(QualifiedName.Parse("public.t"), sourceCleanup: SourceCleanup.Skip, cancellationToken: TestContext.Current.CancellationToken);
        dropped.SourceStatements.Should().HaveCount(3);
        await mimeo.Databases.AtSourceAsync(string.Join('\n', dropped.SourceStatements));
        (await LeftAsync(mimeo)).Should().Be(0);
    }

    [Fact]
    public async Task A_source_that_fires_no_trigger_of_rows_is_refused_or_told()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            "CREATE TABLE t (id int PRIMARY KEY, w text) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100); CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (100) TO (200); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 199) i; CREATE VIEW v AS SELECT * FROM t");
        var creating = () => mimeo.CreateAsync(ReplicationKind.Dml, "public.v", s => s with { Key = ["id"] });
        (await creating.Should().ThrowAsync<SourceKindException>()).Which.Message.Should().StartWith("Source 'public.v' is a view;");

        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'y' WHERE id = 150; ALTER TABLE t DETACH PARTITION t1");
        var retired = await mimeo.RefreshAsync("public.t");

        retired.Warnings.Should().ContainSingle().Which.Should().StartWith("Source 'public.t' was truncated or rewritten, or partitions came or went");
        (await mimeo.Databases.DestinationAsync<string>("SELECT count(*) || ' ' || count(*) FILTER (WHERE w = 'y') FROM t")).Should().Be("199 1");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().ContainSingle();
        (await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All })).Warnings.Should().BeEmpty();
        await SameAsync(mimeo);
        await mimeo.Databases.AtSourceAsync("TRUNCATE t");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().ContainSingle();
    }

    [Fact]
    public async Task A_repull_takes_all_rows_and_the_queue_with_them()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 10; DELETE FROM t WHERE id = 11");
        await mimeo.Databases.AtDestinationAsync("DELETE FROM t WHERE id > 500");

        (await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All })).Rows.Should().Be(999);

        await SameAsync(mimeo);
        (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(0);
        var window = () => mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.Between("1", "5") });
        await window.Should().ThrowAsync<ArgumentException>();
    }

    [Fact]
    public async Task A_queue_that_is_gone_is_told_by_its_name()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtSourceAsync($"DROP TRIGGER public_t_mimeo_trig ON t; DROP TABLE {Queue}");

        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<QueueMissingException>()).Which.Message.Should().StartWith($"Source queue table missing ({Queue})");
        await mimeo.DropAsync("public.t");
        (await LeftAsync(mimeo)).Should().Be(0);
    }

    [Fact]
    public async Task A_column_that_was_made_anew_under_its_name_is_told_until_all_rows_are_read()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, other text); INSERT INTO t SELECT i, 'old', 'x' FROM generate_series(1, 100) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Columns = ["id", "w"] });
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t", s => s with { Destination = QualifiedName.Parse("public.logged") });
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t DROP other; ALTER TABLE t ADD other text; UPDATE t SET w = 'before' WHERE id = 2; ALTER TABLE t ADD more int");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE logged ADD more int");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();

        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'between' WHERE id = 2; ALTER TABLE t DROP w; ALTER TABLE t ADD w text; UPDATE t SET w = 'after' WHERE id = 3");
        for (var n = 0; n < 2; n++)
        {
            (await mimeo.RefreshAsync("public.t")).Warnings.Should().Equal(
                "Column 'w' of source 'public.t' was made anew since all rows were read, and rows that were not changed since have its former values here. Repull the table.");
        }
        var following = () => mimeo.RefreshAsync("public.logged");
        (await following.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal("column 'other' of source 'public.t' was made anew since all rows were read");

        foreach (var table in (string[])["public.t", "public.logged"])
            await mimeo.RefreshAsync(table, new RefreshOptions { Repull = Repull.All });
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'later' WHERE id = 4");
        foreach (var table in (string[])["public.t", "public.logged"])
        {
            (await mimeo.RefreshAsync(table)).Warnings.Should().BeEmpty();
            await mimeo.Databases.ShouldBeEqualAsync("SELECT id, w FROM t", $"SELECT id, w FROM {table}");
        }
    }

    [Theory]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logical)]
    [InlineData(ReplicationKind.Updater)]
    public async Task A_destination_whose_identity_columns_are_always_generated_takes_the_values_of_the_source(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, w text, ver int); CREATE TABLE u (id int PRIMARY KEY, w text, ver int GENERATED ALWAYS AS IDENTITY)");
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, ver int)");
        foreach (var table in (string[])["public.t", "public.u"])
            await mimeo.CreateAsync(kind, "public.t", s => s with { Destination = QualifiedName.Parse(table), Cursor = kind == ReplicationKind.Updater ? CursorColumn.Serial("ver", 0) : null });
        for (var round = 1; round <= 2; round++)
        {
            await mimeo.Databases.AtSourceAsync($"INSERT INTO t SELECT i, 'x', {round} * 100 + i FROM generate_series(1, 20) i ON CONFLICT (id) DO UPDATE SET ver = excluded.ver, w = 'y'");
            foreach (var table in (string[])["t", "u"])
            {
                await mimeo.RefreshAsync("public." + table);
                await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t" + (kind == ReplicationKind.Updater ? " WHERE id < 20" : ""), $"SELECT * FROM {table}" + (kind == ReplicationKind.Updater ? " WHERE id < 20" : ""));
            }
        }
    }

    [Theory]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logical)]
    public async Task What_the_source_forgets_is_on_the_disk_of_the_destination_whatever_its_sessions_have_by_default(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        await mimeo.CreateAsync(kind, "public.t");
        (await mimeo.Databases.DestinationAsync<string>("SHOW synchronous_commit")).Should().Be("off");
        await mimeo.Databases.AtDestinationAsync(
            """
            CREATE TABLE seen (setting text);
            CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER tell AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tell();
            """);
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id = 1");

        await mimeo.RefreshAsync("public.t");

        (await mimeo.Databases.DestinationAsync<string>("SELECT setting FROM seen")).Should().Be("local");
    }

    [Theory]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    public async Task Writers_at_the_source_while_it_is_refreshed_leave_both_sides_equal(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await TableAsync(mimeo);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var writers = Enumerable.Range(0, 8).Select(n => QueueWriters.WriteAsync(mimeo.Databases.Source, n, transactions: 60)).ToArray();

        await mimeo.CreateAsync(kind, "public.t");
        var all = Task.WhenAll(writers);
        while (!all.IsCompleted)
            await mimeo.RefreshAsync("public.t", new RefreshOptions { Limit = 50 });
        await all;
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", $"SELECT id, w FROM t{(kind == ReplicationKind.Logdel ? " WHERE mimeo_source_deleted IS NULL" : "")}");
        if (kind != ReplicationKind.Logical)
            (await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM {Queue}")).Should().Be(0);
    }

    internal static async Task<Holder> HoldAsync(TestDatabase database, string sql)
    {
        var holder = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Pooling = false }.ConnectionString);
        await holder.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(sql, holder);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        return new Holder(holder);
    }

    /// <summary>A session that holds something until it is disposed. A server that is only left lets go a moment later.</summary>
    internal sealed class Holder(NpgsqlConnection session) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            if (session.State == System.Data.ConnectionState.Open)
            {
                await using var letGo = new NpgsqlCommand("ROLLBACK; SELECT pg_advisory_unlock_all()", session);
                await letGo.ExecuteNonQueryAsync(CancellationToken.None);
            }

            await session.DisposeAsync();
        }
    }

    private static Task TableAsync(Mimeo mimeo) =>
        mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 1000) i");

    private static Task SameAsync(Mimeo mimeo, string query = "SELECT * FROM t") => mimeo.Databases.ShouldBeEqualAsync(query, query);

    // Tables and functions of the package's schema, triggers on the table.
    private static Task<long> LeftAsync(Mimeo mimeo) => mimeo.Databases.SourceAsync<long>(
        """
        SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('omnipg_mimeo') AND relkind = 'r')
            + (SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('omnipg_mimeo')) + (SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass)
        """);
}
