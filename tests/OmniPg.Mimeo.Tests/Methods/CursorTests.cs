using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

public sealed class CursorTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task A_serial_inserter_leaves_the_boundary_behind_and_goes_on_where_it_ended()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.log");

        var created = await mimeo.CreateAsync(ReplicationKind.Inserter, "public.log", s => s with { Cursor = CursorColumn.Serial("col1") });
        (created.Rows, created.Spec.LastValue).Should().Be((9989, "9989"));
        await mimeo.AddRowsAsync("log", 10_001, 20_000);
        var refreshed = await mimeo.RefreshAsync("public.log");

        (refreshed.Status, refreshed.Rows, refreshed.LastValue).Should().Be((RefreshStatus.Refreshed, 10_000, "19989"));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM log WHERE col1 < 19990", "SELECT * FROM log");
        (await mimeo.RefreshAsync("public.log")).Status.Should().Be(RefreshStatus.NothingNew);
    }

    [Fact]
    public async Task A_limit_ends_a_batch_before_its_last_value_and_stalls_where_all_values_are_one()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.lim", "col1 int, col2 text, col3 timestamptz DEFAULT clock_timestamp()");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.lim", s => s with { Cursor = CursorColumn.Serial("col1", 0), BatchLimit = 500 });
        await mimeo.AddRowsAsync("lim", 10_001, 20_000);

        var limited = await mimeo.RefreshAsync("public.lim");
        (limited.Status, limited.Rows, limited.LastValue, limited.Warnings.Count).Should().Be((RefreshStatus.LimitReached, 499, "10498", 1));
        (await mimeo.RefreshAsync("public.lim", new RefreshOptions { Limit = 1_000_000 })).LastValue.Should().Be("19999");
        await mimeo.Databases.AtSourceAsync("INSERT INTO lim (col1) SELECT 30000 FROM generate_series(1, 600); INSERT INTO lim (col1) VALUES (30001)");
        var stalled = () => mimeo.RefreshAsync("public.lim", new RefreshOptions { Limit = 1 });

        (await stalled.Should().ThrowAsync<BatchStalledException>()).Which.Message.Should().Contain("all have the cursor value '20000'");
        (await mimeo.Client.FindAsync(QualifiedName.Parse("public.lim"), TestContext.Current.CancellationToken))!.LastValue.Should().Be("19999");
    }

    [Fact]
    public async Task Numbers_beyond_32_bits_and_below_zero_are_numbers_like_others()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE wide (id bigint); INSERT INTO wide VALUES (-5), (3000000000), (9223372036854774807), (9223372036854775807)");

        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.wide", s => s with { Cursor = CursorColumn.Serial("id", 999) });

        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id::text, ' ' ORDER BY id) FROM wide")).Should().Be("-5 3000000000 9223372036854774807");
    }

    [Theory]
    [InlineData("timestamptz")]
    [InlineData("timestamp")]
    public async Task A_time_inserter_copies_what_is_older_than_the_boundary_by_the_sources_clock(string type)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE hits (at {type}, t text); INSERT INTO hits SELECT now() - i * interval '1 min', 'x' FROM generate_series(0, 99) i; INSERT INTO hits VALUES (NULL, 'null')");

        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.hits", s => s with { Cursor = CursorColumn.Time("at") });
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM hits WHERE at < now() - interval '10 min'", "SELECT * FROM hits");
        await mimeo.Databases.AtSourceAsync("INSERT INTO hits SELECT max(at) FILTER (WHERE at < now() - interval '10 min') + interval '1 us', 'late' FROM hits");
        var refreshed = await mimeo.RefreshAsync("public.hits");

        refreshed.Rows.Should().Be(1);
        refreshed.Warnings.Should().Equal("Rows without a value in 'at' are never copied.");
        (await mimeo.Databases.DestinationAsync<string>("SELECT t FROM hits ORDER BY at DESC LIMIT 1")).Should().Be("late");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_updater_replaces_rows_by_their_key_with_one_unique_index_or_more(bool second)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            "CREATE TABLE acc (id int PRIMARY KEY, doc json, n int, ver bigint); INSERT INTO acc SELECT i, '{}', i, i FROM generate_series(1, 1000) i"
            + (second ? "; CREATE UNIQUE INDEX acc_n ON acc (n)" : ""));
        await mimeo.CreateAsync(ReplicationKind.Updater, "public.acc", s => s with { Cursor = CursorColumn.Serial("ver", 0) });
        (await mimeo.Client.FindAsync(QualifiedName.Parse("public.acc"), TestContext.Current.CancellationToken))!.Key.Should().Equal("id");

        // Two rows swap a second unique value, which an update row by row cannot do.
        await mimeo.Databases.AtSourceAsync(
            "DELETE FROM acc WHERE id IN (10, 20); INSERT INTO acc VALUES (10, '[1]', 20, 2000), (20, '[2]', 10, 2001), (5000, NULL, 5000, 2002), (5001, NULL, 5001, 2003)");
        var refreshed = await mimeo.RefreshAsync("public.acc");

        (refreshed.Status, refreshed.Rows, refreshed.LastValue).Should().Be((RefreshStatus.Refreshed, 4, "2002"));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT id, doc::text, n, ver FROM acc WHERE ver < 2003", "SELECT id, doc::text, n, ver FROM acc");
    }

    [Fact]
    public async Task A_column_that_was_made_anew_under_its_name_is_told_until_all_rows_are_read()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, ver int); INSERT INTO t SELECT i, 'old', i FROM generate_series(1, 100) i");
        await mimeo.CreateAsync(ReplicationKind.Updater, "public.t", s => s with { Cursor = CursorColumn.Serial("ver", 0) });
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();

        await mimeo.Databases.AtSourceAsync("ALTER TABLE t DROP w; ALTER TABLE t ADD w text DEFAULT 'anew'; INSERT INTO t (id, ver) VALUES (200, 200), (201, 201)");
        for (var n = 0; n < 2; n++)
        {
            (await mimeo.RefreshAsync("public.t")).Warnings.Should().Equal(
                "Column 'w' of source 'public.t' was made anew since all rows were read, and rows that were not changed since have its former values here. Repull the table.");
        }
        (await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.Between("1", "50") })).Warnings.Should().ContainSingle();

        (await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All })).Warnings.Should().BeEmpty();
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        await mimeo.Databases.ShouldBeEqualAsync("SELECT id, w, ver FROM t WHERE ver < 201", "SELECT id, w, ver FROM t");
    }

    [Fact]
    public async Task A_repull_replaces_all_rows_or_those_between_two_values()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.again");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.again", s => s with { Cursor = CursorColumn.Serial("col1", 0) });
        await mimeo.Databases.AtSourceAsync("UPDATE again SET col2 = 'new'; DELETE FROM again WHERE col1 = 150");

        var window = await mimeo.RefreshAsync("public.again", new RefreshOptions { Repull = Repull.Between("100", "200") });
        (window.Rows, window.LastValue).Should().Be((98, "9999"));
        (await mimeo.Databases.DestinationAsync<string>("SELECT count(*) || ' ' || min(col1) || ' ' || max(col1) FROM again WHERE col2 = 'new'")).Should().Be("98 101 199");
        await mimeo.RefreshAsync("public.again", new RefreshOptions { Repull = Repull.All });

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM again WHERE col1 < 10000", "SELECT * FROM again");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rows_of_a_source_that_a_repull_found_empty_arrive_when_they_are_numbered_anew(bool window)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.anew");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.anew", s => s with { Cursor = CursorColumn.Serial("col1", 0) });
        await mimeo.Databases.AtSourceAsync("TRUNCATE anew");
        await mimeo.RefreshAsync("public.anew", new RefreshOptions { Repull = window ? Repull.Between("0", "20000") : Repull.All });
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM anew")).Should().Be(0);
        await mimeo.AddRowsAsync("anew", 1, 100);

        (await mimeo.RefreshAsync("public.anew")).Rows.Should().Be(99);
    }

    [Fact]
    public async Task A_repull_whose_end_lies_beyond_the_boundary_leaves_the_boundary_behind()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.ahead");
        await mimeo.Databases.AtSourceAsync("DELETE FROM ahead WHERE col1 = 9995");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.ahead", s => s with { Cursor = CursorColumn.Serial("col1", 10) });

        var repulled = await mimeo.RefreshAsync("public.ahead", new RefreshOptions { Repull = Repull.Between("9000", "50000") });
        // A transaction that was open during the repull.
        await mimeo.AddRowsAsync("ahead", 9995, 9995);
        await mimeo.AddRowsAsync("ahead", 10_001, 10_100);
        await mimeo.RefreshAsync("public.ahead");

        (repulled.Rows, repulled.LastValue).Should().Be((989, "9989"));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM ahead WHERE col1 < 10090", "SELECT * FROM ahead");
    }

    [Fact]
    public async Task A_repulled_window_of_an_updater_takes_in_rows_that_were_outside_of_it()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE moved (id int PRIMARY KEY, ver bigint); INSERT INTO moved SELECT i, i FROM generate_series(1, 1000) i");
        await mimeo.CreateAsync(ReplicationKind.Updater, "public.moved", s => s with { Cursor = CursorColumn.Serial("ver", 0) });
        await mimeo.Databases.AtSourceAsync("UPDATE moved SET ver = 150 WHERE id = 10; INSERT INTO moved VALUES (1001, 1001)");

        await mimeo.RefreshAsync("public.moved", new RefreshOptions { Repull = Repull.Between("100", "200") });

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM moved WHERE ver < 1000", "SELECT * FROM moved");
    }

    [Fact]
    public async Task An_or_in_the_condition_does_not_widen_the_window()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.either", "col1 int, col2 text");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.either", s => s with { Cursor = CursorColumn.Serial("col1", 0), Condition = "WHERE col1 = 1 OR col1 > 9000" });
        await mimeo.AddRowsAsync("either", 10_001, 10_100);

        await mimeo.RefreshAsync("public.either");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM either WHERE (col1 = 1 OR col1 > 9000) AND col1 < 10100", "SELECT * FROM either");
    }

    [Fact]
    public async Task Rows_and_place_go_together_when_the_destination_refuses_a_row()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.half");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.half", s => s with { Cursor = CursorColumn.Serial("col1", 0) });
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE half ADD CHECK (col1 <> 15000)");
        await mimeo.AddRowsAsync("half", 10_001, 20_000);

        var refreshing = () => mimeo.RefreshAsync("public.half");

        (await refreshing.Should().ThrowAsync<CopyInterruptedException>()).Which.SqlState.Should().Be("23514");
        (await mimeo.Databases.DestinationAsync<int>("SELECT max(col1) FROM half")).Should().Be(9999);
        (await mimeo.Client.FindAsync(QualifiedName.Parse("public.half"), TestContext.Current.CancellationToken))!.LastValue.Should().Be("9999");
    }

    [Fact]
    public async Task Rows_without_a_cursor_value_are_told_ignored_or_make_the_refresh_fail()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, ver bigint); INSERT INTO t SELECT i, nullif(i, 5) FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Updater, "public.t", s => s with { Cursor = CursorColumn.Serial("ver", 0) });
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (11, 11)");

        var failing = () => mimeo.RefreshAsync("public.t", new RefreshOptions { NullCursor = NullCursor.Fail });
        (await failing.Should().ThrowAsync<NullCursorException>()).Which.Message.Should().StartWith("Source table 'public.t' has rows without a value in 'ver', which never come to 'public.t'.");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(8);
        var ignored = await mimeo.RefreshAsync("public.t", new RefreshOptions { NullCursor = NullCursor.Ignore });
        (ignored.Rows, ignored.Warnings.Count).Should().Be((1, 0));
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().Equal("Rows without a value in 'ver' are never copied.");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET ver = 12 WHERE id = 5");
        (await failing()).LastValue.Should().Be("11");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", s => s with { Destination = QualifiedName.Parse("public.whole") });
        var senseless = () => mimeo.RefreshAsync("public.whole", new RefreshOptions { NullCursor = NullCursor.Ignore });
        await senseless.Should().ThrowAsync<ArgumentException>();
    }

    [Fact]
    public async Task Changed_rows_without_a_value_in_a_given_key_are_refused_for_they_would_stand_there_twice()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int, n int, ver bigint, w text); INSERT INTO t VALUES (1, 1, 1, 'x'), (2, NULL, 2, 'x'), (9, 9, 9, 'x')");
        await mimeo.CreateAsync(ReplicationKind.Updater, "public.t", s => s with { Key = ["id", "n"], Cursor = CursorColumn.Serial("ver", 0) });
        await mimeo.Databases.AtSourceAsync("UPDATE t SET ver = 10, w = 'y' WHERE id = 1; INSERT INTO t VALUES (20, 20, 20, 'x')");
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(2);
        await mimeo.Databases.AtSourceAsync("UPDATE t SET ver = 21, w = 'y' WHERE id = 2; INSERT INTO t VALUES (30, 30, 30, 'x')");

        var refreshing = () => mimeo.RefreshAsync("public.t");
        (await refreshing.Should().ThrowAsync<NoReplicationKeyException>()).Which.Message.Should().Be(
            "Source table 'public.t' has changed rows without a value in the key (id, n), of which 'public.t' could only keep the former ones besides. Hint: Give 'id', 'n' a value in each of them, then refresh the table with Repull.All.");

        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id || w, ' ' ORDER BY id) FROM t")).Should().Be("1y 2x 9x");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET n = 0, ver = 31 WHERE id = 2; INSERT INTO t VALUES (40, 40, 40, 'x')");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t WHERE ver < 40", "SELECT * FROM t");
        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.NothingNew);
    }

    [Theory]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    public async Task Changes_without_a_value_in_a_given_key_are_told_by_a_queue_and_not_lost(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int, n int, w text); INSERT INTO t VALUES (1, 1, 'x'), (2, NULL, 'x')");
        await mimeo.CreateAsync(kind, "public.t", s => s with { Key = ["id", "n"] });
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'y' WHERE id = 2");

        var refreshing = () => mimeo.RefreshAsync("public.t");
        await refreshing.Should().ThrowAsync<NoReplicationKeyException>();

        await mimeo.Databases.AtSourceAsync("UPDATE t SET n = 2 WHERE id = 2");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, n, w FROM t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'z'");
        (await mimeo.RefreshAsync("public.t")).Status.Should().Be(RefreshStatus.Refreshed);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, n, w FROM t");
    }
}
