using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

public sealed class TableTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task A_reload_that_keeps_readers_waits_for_none_and_lets_rows_be_that_others_refer_to()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.LockTimeout = TimeSpan.FromMilliseconds(200));
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE referring (col1 int REFERENCES t DEFERRABLE INITIALLY DEFERRED); INSERT INTO referring VALUES (1)");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET col2 = 'new' WHERE col1 <= 10");
        await using (await QueueTests.HoldAsync(mimeo.Databases.Destination, "BEGIN; SELECT count(*) FROM t"))
        {
            (await mimeo.RefreshAsync("public.t", new RefreshOptions { KeepReaders = true })).Rows.Should().Be(10000);
            var waiting = () => mimeo.RefreshAsync("public.t");
            await waiting.Should().ThrowAsync<MimeoException>();
        }

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.t", s => s with { Destination = QualifiedName.Parse("public.shown") });
        var senseless = () => mimeo.RefreshAsync("public.shown", new RefreshOptions { KeepReaders = true });
        await senseless.Should().ThrowAsync<ArgumentException>();
    }

    [Theory]
    [InlineData("CASCADE")]
    [InlineData("SET NULL")]
    public async Task A_reload_by_DELETE_changes_no_rows_of_other_tables_unless_they_may_go(string action)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t ON DELETE CASCADE); INSERT INTO t VALUES (1, 1), (2, 1)");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", s => s with { Destination = QualifiedName.Parse("public.loose"), TruncateCascade = true });
        await mimeo.Databases.AtDestinationAsync($"""
            ALTER TABLE t ADD FOREIGN KEY (up) REFERENCES t ON DELETE CASCADE; CREATE TABLE referring (id int REFERENCES t ON DELETE {action}); INSERT INTO referring VALUES (1);
            CREATE TABLE going (id int REFERENCES loose ON DELETE CASCADE); INSERT INTO going VALUES (1)
            """);

        var reloading = () => mimeo.RefreshAsync("public.t", new RefreshOptions { KeepReaders = true });
        (await reloading.Should().ThrowAsync<DependentObjectsException>()).Which.Message.Should().Contain("foreign key referring_id_fkey of public.referring");
        var grouped = () => mimeo.Client.RefreshGroupAsync([QualifiedName.Parse("public.t")], cancellationToken: TestContext.Current.CancellationToken);
        await grouped.Should().ThrowAsync<DependentObjectsException>();

        (await mimeo.Databases.DestinationAsync<int>("SELECT id FROM referring")).Should().Be(1);
        (await mimeo.RefreshAsync("public.loose", new RefreshOptions { KeepReaders = true })).Rows.Should().Be(2);
        await mimeo.Databases.AtDestinationAsync("DROP TABLE referring");
        (await reloading()).Rows.Should().Be(2);
    }

    [Fact]
    public async Task A_table_is_reloaded_as_a_whole_and_its_sequences_follow()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.plain");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.plain", s => s with { Sequences = [QualifiedName.Parse("public.numbers")] });
        await mimeo.Databases.AtDestinationAsync("CREATE SEQUENCE numbers; ALTER TABLE plain ALTER col1 SET DEFAULT nextval('numbers')");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM plain", "SELECT * FROM plain");

        await mimeo.AddRowsAsync("plain", 10_001, 100_000);
        await mimeo.Databases.AtSourceAsync("DELETE FROM plain WHERE col1 % 2 = 0");
        var result = await mimeo.RefreshAsync("public.plain");

        (result.Status, result.Rows).Should().Be((RefreshStatus.Refreshed, 50_000));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM plain", "SELECT * FROM plain");
        (await mimeo.Databases.DestinationAsync<long>("SELECT last_value FROM numbers")).Should().Be(99_999);
        (await mimeo.Databases.DestinationAsync<string>("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'plain'::regclass AND indisprimary")).Should().Be("plain_col1_pk");
    }

    [Theory]
    [InlineData("public.\"Snap-test-Source\"")]
    [InlineData("public.\"primary\"")]
    [InlineData("\"Odd \"\"schema';\".\"a \"\"b\"\" 'c'; %I\nü \"")]
    public async Task Hostile_names_work(string name)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var table = QualifiedName.Parse(name);
        foreach (var database in (TestDatabase[])[mimeo.Databases.Source, mimeo.Databases.Destination])
            await database.ExecuteAsync($"CREATE SCHEMA IF NOT EXISTS {table.Schema!.Value.Quoted}", TestContext.Current.CancellationToken);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE {table.Quoted} (\"COL-3\" int PRIMARY KEY, \"group\" text, \"it's \"\"q\"\"\" text); INSERT INTO {table.Quoted} SELECT i, 'x', 'y' FROM generate_series(1, 10) i");

        foreach (var kind in Enum.GetValues<ReplicationKind>())
        {
            var growing = kind is ReplicationKind.Inserter or ReplicationKind.Updater;
            await mimeo.CreateAsync(kind, name, s => s with { Cursor = growing ? CursorColumn.Serial("COL-3", 0) : null, KeepHistory = kind == ReplicationKind.Logdel });
            await mimeo.Databases.AtSourceAsync($"UPDATE {table.Quoted} SET \"group\" = '{kind}' WHERE \"COL-3\" = 10");
            await mimeo.RefreshAsync(name, new RefreshOptions { SkipUnchanged = false });
            await mimeo.Databases.ShouldBeEqualAsync(
                $"SELECT * FROM {table.Quoted} WHERE \"COL-3\" < {(growing ? 10 : 11)}", $"SELECT \"COL-3\", \"group\", \"it's \"\"q\"\"\" FROM {table.Quoted}");
            await mimeo.DropAsync(name, keepTable: false);
        }
    }

    [Fact]
    public async Task Columns_and_condition_choose_what_is_copied()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.chosen");
        await mimeo.Databases.AtSourceAsync("CREATE TABLE other (k int); INSERT INTO other VALUES (7), (8)");

        await mimeo.CreateAsync(ReplicationKind.Table, "public.chosen", s => s with { Destination = QualifiedName.Parse("public.a"), Columns = ["col2"], Condition = "WHERE col1 > 9000 -- big" });
        await mimeo.CreateAsync(ReplicationKind.Table, "public.chosen", s => s with { Destination = QualifiedName.Parse("public.b"), Condition = ", other WHERE col1 = k" });

        await mimeo.Databases.ShouldBeEqualAsync("SELECT col2 FROM chosen WHERE col1 > 9000", "SELECT * FROM a");
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(col1::text, ' ' ORDER BY col1) FROM b")).Should().Be("7 8");
    }

    [Theory]
    [InlineData("WHERE /* nonsense */ true; DROP TABLE chosen")]
    [InlineData("WHERE /* nonsense */ true) TO STDOUT; DROP TABLE chosen; COPY (SELECT 1")]
    [InlineData("WHERE col2 = 'open")]
    [InlineData("WHERE true /* open")]
    [InlineData("WHERE nowhere = 1")]
    public async Task A_condition_that_is_no_part_of_one_query_is_refused_before_anything_happens(string condition)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.chosen");

        var creating = () => mimeo.CreateAsync(ReplicationKind.Table, "public.chosen", s => s with { Condition = condition });

        await creating.Should().ThrowAsync<InvalidConditionException>();
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM chosen")).Should().Be(10_000);
        (await mimeo.Databases.DestinationAsync<bool>("SELECT to_regclass('chosen') IS NULL")).Should().BeTrue();
    }

    [Fact]
    public async Task All_columns_that_do_not_fit_are_told_at_once_before_anything_is_written()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.fit");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.fit");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE fit ALTER col1 TYPE bigint, DROP COLUMN col2, ADD COLUMN own int");

        var refreshing = () => mimeo.RefreshAsync("public.fit");

        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal(
            "'col1' is integer at the source and bigint at the destination", "'col2' (text) is missing at the destination");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM fit")).Should().Be(10_000);
        var filtering = () => mimeo.CreateAsync(ReplicationKind.Table, "public.fit", s => s with { Destination = QualifiedName.Parse("public.f2"), Columns = ["col1", "nope"] });
        (await filtering.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal("the source has no column 'nope'");
    }

    [Fact]
    public async Task Every_built_in_type_arrives_as_it_was()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        const string types =
            """
            CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN small AS int CHECK (VALUE < 100); CREATE TYPE pair AS (a int, b mood);
            """;
        await mimeo.Databases.AtDestinationAsync(types);
        await mimeo.Databases.AtSourceAsync(types +
            """
            CREATE TABLE plain_types AS SELECT 'NaN'::numeric AS n1, '-Infinity'::numeric AS n2, 1.50::numeric(10,3) AS n3, 'infinity'::timestamptz AS t1, '0044-03-15 BC'::date AS t2, '-infinity'::timestamp AS t3,
                '12:00:01.5+03'::timetz AS t4, '1 mon -2 days 03:04:05'::interval AS t5, B'1011'::bit(4) AS b1, B'101'::varbit AS b2, '\x00ff'::bytea AS b3, '[2:3]={1,NULL}'::int[] AS a1, '{{a,b},{c,"d e"}}'::text[] AS a2,
                '[1,5)'::int4range AS r1, '{[1,2),[5,)}'::int4multirange AS r2, '{"a": [1, null]}'::jsonb AS j1, '{"b" :1}'::json AS j2, '<a>ü</a>'::xml AS x1, 'ok'::mood AS e1, '{sad,ok}'::mood[] AS e2, 7::small AS d1,
                '192.168.0.1/24'::inet AS i1, '08:00:2b:01:02:03'::macaddr AS m1, 'a fat cat'::tsvector AS s1, 'fat & cat'::tsquery AS s2, '(1,2)'::point AS g1, '((0,0),(1,1))'::box AS g2, '<(0,0),1>'::circle AS g3,
                gen_random_uuid() AS u1, 12.34::money AS y1, 'x'::"char" AS c1, 'ab'::char(5) AS c2, 0.1::float4 AS f1, 'NaN'::float8 AS f2, '16/B374D848'::pg_lsn AS l1, 'nm'::name AS nm, '42'::oid AS o1,
                repeat('long text ü ', 200000) AS big, NULL::text AS nothing;
            CREATE TABLE text_types AS SELECT ROW(1, 'ok')::pair AS c, 'pg_class'::regclass AS r, ARRAY[ROW(2, 'sad')::pair] AS a, E'tab\t back\\ line\n'::text AS t, 12.34::money AS y, 0.1::float8 AS f, '\x00'::bytea AS b;
            """);

        await mimeo.CreateAsync(ReplicationKind.Table, "public.plain_types");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.text_types");

        (await mimeo.RefreshAsync("public.plain_types")).Format.Should().Be(CopyFormat.Binary);
        (await mimeo.RefreshAsync("public.text_types")).Format.Should().Be(CopyFormat.Text);
        foreach (var table in (string[])["plain_types", "text_types"])
            await mimeo.Databases.ShouldBeEqualAsync($"SELECT * FROM {table}", $"SELECT * FROM {table}");
    }

    [Fact]
    public async Task Two_refreshes_at_once_are_one_refresh_and_one_that_says_so()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.twice");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.twice");
        await using var other = await mimeo.Databases.Destination.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await other.BeginTransactionAsync(TestContext.Current.CancellationToken);
        // As the extension takes it.
        await using (var take = new Npgsql.NpgsqlCommand("SELECT pg_try_advisory_xact_lock(hashtext('mimeo advisory lock'), hashtext('public.twice'))", other))
            (await take.ExecuteScalarAsync(TestContext.Current.CancellationToken)).Should().Be(true);

        (await mimeo.RefreshAsync("public.twice")).Status.Should().Be(RefreshStatus.SkippedLocked);
        (await mimeo.RefreshAsync("public.twice", new RefreshOptions { LockWait = TimeSpan.FromMilliseconds(100) })).Status.Should().Be(RefreshStatus.SkippedLocked);
        var waiting = mimeo.RefreshAsync("public.twice", new RefreshOptions { LockWait = TimeSpan.FromMinutes(1) });
        await transaction.CommitAsync(TestContext.Current.CancellationToken);

        (await waiting).Status.Should().Be(RefreshStatus.Refreshed);
    }

    [Fact]
    public async Task A_source_that_is_not_readable_is_told_with_the_grant_that_helps()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.secret");
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync($"CREATE ROLE {role} LOGIN");
        await mimeo.Client.AddSourceAsync("erp", new Npgsql.NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);

        var creating = () => mimeo.CreateAsync(ReplicationKind.Table, "public.secret");

        (await creating.Should().ThrowAsync<MimeoPermissionException>()).Which.Hint.Should().Be($"Run as owner: GRANT SELECT ON \"public\".\"secret\" TO {role};");
        await mimeo.Databases.AtSourceAsync($"GRANT SELECT ON \"public\".\"secret\" TO {role}");
        (await mimeo.CreateAsync(ReplicationKind.Table, "public.secret")).Rows.Should().Be(10_000);

        // Rows that a policy hides must not be missing silently.
        await mimeo.Databases.AtSourceAsync("ALTER TABLE secret ENABLE ROW LEVEL SECURITY");
        var refreshing = () => mimeo.RefreshAsync("public.secret");
        (await refreshing.Should().ThrowAsync<CopyInterruptedException>()).Which.Message.Should().Contain("row-level security");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM secret")).Should().Be(10_000);
    }
}
