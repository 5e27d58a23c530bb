using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Rows that differ from those of the source: found, told and repaired.</summary>
public sealed class ComparisonTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    public async Task Rows_that_differ_are_told_by_their_keys_and_repaired_and_what_is_still_to_come_is_left_to_the_refresh(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id text COLLATE \"C\", n int, ver bigint, at timestamptz DEFAULT now(), w text, PRIMARY KEY (id, n)); INSERT INTO t SELECT 'k' || i, i % 3, i, now(), 'ü' FROM generate_series(1, 1000) i");
        await mimeo.CreateAsync(kind, "public.t", s => s with { Cursor = kind == ReplicationKind.Updater ? CursorColumn.Serial("ver", 0) : null });
        await mimeo.Databases.AtDestinationAsync("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET TimeZone TO \"Asia/Tokyo\"'; END $$");
        (await CompareAsync(mimeo)).IsEqual.Should().BeTrue();
        // What the next refresh brings: no difference, and none that a repair would bring.
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new', ver = 2000 + ver WHERE ver <= 10; INSERT INTO t VALUES ('late', 1, 5000, now(), 'x'), ('later', 1, 5001, now(), 'x')" + (kind == ReplicationKind.Updater ? "" : "; DELETE FROM t WHERE ver = 20"));
        await mimeo.Databases.AtDestinationAsync("UPDATE t SET w = 'u' WHERE ver = 500; DELETE FROM t WHERE ver = 600; INSERT INTO t (id, n, ver, w) VALUES ('extra, (\"odd\")', 0, 7, 'here')");
        var before = await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM t");

        var found = await CompareAsync(mimeo);

        (found.MissingHere, found.MissingAtSource, found.Different, found.IsRepaired, found.IsEqual).Should().Be((1, 1, 1, false, false));
        found.Rows.Should().Equal(
            new RowDifference("(\"extra, (\"\"odd\"\")\",0)", RowDifferenceKind.MissingAtSource), new RowDifference("(k500,2)", RowDifferenceKind.OtherValues), new RowDifference("(k600,0)", RowDifferenceKind.MissingHere));
        (await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM t")).Should().Be(before);
        var repaired = await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);

        (repaired.MissingHere, repaired.MissingAtSource, repaired.Different, repaired.IsRepaired).Should().Be((1, 1, 1, true));
        repaired.Rows.Should().Equal(found.Rows);
        (await CompareAsync(mimeo)).IsEqual.Should().BeTrue();
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t WHERE w = 'new'")).Should().Be(kind == ReplicationKind.Logical ? 10 : 0);
        if (kind == ReplicationKind.Logdel)
            (await mimeo.Databases.DestinationAsync<string>("SELECT w FROM t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be("here");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t" + (kind == ReplicationKind.Updater ? " WHERE id <> 'later'" : ""), "SELECT id, n, ver, at, w FROM t" + (kind == ReplicationKind.Logdel ? " WHERE mimeo_source_deleted IS NULL" : ""));
        var none = await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);
        (none.IsEqual, none.IsRepaired).Should().Be((true, false));
    }

    [Fact]
    public async Task A_row_that_the_source_has_is_not_deleted_though_the_method_does_not_see_it_any_more()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, ver bigint, w text); INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Updater, "public.t", s => s with { Cursor = CursorColumn.Serial("ver", 0) });
        await mimeo.Databases.AtSourceAsync("UPDATE t SET ver = NULL, w = 'out of sight' WHERE id = 5; DELETE FROM t WHERE id = 6");

        var repaired = await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);

        repaired.Rows.Should().Equal(new RowDifference("(6)", RowDifferenceKind.MissingAtSource));
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id || w, ' ' ORDER BY id) FROM t")).Should().Be("1x 2x 3x 4x 5x 7x 8x 9x");
    }

    [Fact]
    public async Task All_rows_are_repaired_however_few_are_told_and_a_key_that_stands_here_twice_is_one_again()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE t (col1 int, col2 text, col3 timestamptz)");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");

        var filled = await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), new ComparisonOptions { MaxRows = 3 }, TestContext.Current.CancellationToken);

        (filled.MissingHere, filled.SourceRows, filled.DestinationRows).Should().Be((10_000, 10_000, 0));
        filled.Rows.Select(r => r.Key).Should().Equal("(1)", "(10)", "(100)");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
        await mimeo.Databases.AtDestinationAsync("INSERT INTO t SELECT * FROM t WHERE col1 = 7");
        var doubled = await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);
        doubled.Rows.Should().Equal(new RowDifference("(7)", RowDifferenceKind.OtherValues));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
    }

    [Fact]
    public async Task A_repair_that_the_destination_refuses_in_part_changes_nothing()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", s => s with { Destination = QualifiedName.Parse("public.whole") });
        await mimeo.Databases.AtDestinationAsync("INSERT INTO t VALUES (11, 'extra'); UPDATE t SET w = 'y' WHERE id = 1; ALTER TABLE t ADD CHECK (w <> 'x') NOT VALID");
        var before = await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM t");

        var repairing = () => mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);
        (await repairing.Should().ThrowAsync<MimeoServerException>()).Which.SqlState.Should().Be("23514");

        (await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM t")).Should().Be(before);
        await using (await QueueTests.HoldAsync(mimeo.Databases.Destination, "SELECT pg_advisory_lock(hashtext('mimeo advisory lock'), hashtext('public.t'))"))
            await repairing.Should().ThrowAsync<MimeoLockException>();
        var keyless = () => mimeo.Client.CompareAsync(QualifiedName.Parse("public.whole"), cancellationToken: TestContext.Current.CancellationToken);
        (await keyless.Should().ThrowAsync<ArgumentException>()).Which.Message.Should().StartWith("'public.whole' (Table) has no key to tell its rows by");
    }

    [Theory]
    [InlineData("bigint", "i")]
    [InlineData("timestamptz", "timestamptz '2020-01-01' + i * interval '1 day'")]
    [InlineData("timestamp", "timestamp '2020-01-01' + i * interval '1 day'")]
    public async Task What_a_source_that_lags_did_not_have_yet_comes_again_behind_a_repair(string type, string value)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (id int PRIMARY KEY, ver {type}, w text); INSERT INTO t SELECT i, {value}, 'new' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Updater, "public.t", s => s with { Cursor = type == "bigint" ? CursorColumn.Serial("ver", 0) : CursorColumn.Time("ver", "1 hour") });
        // What another standby shows that has not replayed as much.
        await mimeo.Databases.AtSourceAsync("CREATE TABLE ahead AS TABLE t; DELETE FROM t WHERE id > 7; UPDATE t SET ver = (SELECT min(ver) FROM t), w = 'old' WHERE id = 7");

        (await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken)).IsRepaired.Should().BeTrue();

        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id || w, ' ' ORDER BY id) FROM t")).Should().Be("1new 2new 3new 4new 5new 6new 7old");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t; INSERT INTO t TABLE ahead");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t" + (type == "bigint" ? " WHERE id < 10" : ""), "SELECT * FROM t");
        // An empty source is one that lags most.
        await mimeo.Databases.AtSourceAsync("DELETE FROM t");
        await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(0);
        await mimeo.Databases.AtSourceAsync("INSERT INTO t TABLE ahead");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t" + (type == "bigint" ? " WHERE id < 10" : ""), "SELECT * FROM t");
    }

    [Fact]
    public async Task Rows_whose_key_has_a_null_are_compared_together_and_replaced_not_doubled()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int, n int, ver bigint, w text); INSERT INTO t VALUES (1, 1, 1, 'x'), (2, NULL, 2, 'x'), (2, NULL, 3, 'y'), (3, NULL, 4, 'x'), (4, NULL, 5, 'x'), (4, NULL, 6, 'x'), (9, 9, 9, 'x')");
        await mimeo.CreateAsync(ReplicationKind.Updater, "public.t", s => s with { Key = ["id", "n"], Cursor = CursorColumn.Serial("ver", 0) });
        (await CompareAsync(mimeo)).IsEqual.Should().BeTrue();
        await mimeo.Databases.AtDestinationAsync("UPDATE t SET w = 'wrong' WHERE id = 3; DELETE FROM t WHERE ver = 3; INSERT INTO t VALUES (5, NULL, 5, 'extra')");

        var repaired = await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);

        repaired.Rows.Should().Equal(
            new RowDifference("(2,)", RowDifferenceKind.OtherValues), new RowDifference("(3,)", RowDifferenceKind.OtherValues), new RowDifference("(5,)", RowDifferenceKind.MissingAtSource));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t WHERE ver < 9", "SELECT * FROM t");
        (await CompareAsync(mimeo)).IsEqual.Should().BeTrue();
    }

    [Fact]
    public async Task Keys_that_are_written_in_another_way_here_are_the_same_ones()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id numeric(8,2) PRIMARY KEY, ver bigint, w text); INSERT INTO t SELECT i, i, 'x' FROM generate_series(1, 10) i");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE t (id numeric(12,4) PRIMARY KEY, ver bigint, w text)");
        await mimeo.CreateAsync(ReplicationKind.Updater, "public.t", s => s with { Cursor = CursorColumn.Serial("ver", 0) });
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtDestinationAsync("DELETE FROM t WHERE id = 3");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET ver = NULL WHERE id = 5");

        var repaired = await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);

        // The one whose value of ver was taken away is out of sight and left alone.
        (repaired.MissingHere, repaired.MissingAtSource, repaired.Different).Should().Be((1, 0, 0));
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id::int::text, ' ' ORDER BY id) FROM t")).Should().Be("1 2 3 4 5 6 7 8 9");
    }

    [Fact]
    public async Task Values_of_another_length_or_precision_are_equal_where_they_say_the_same_and_repaired_where_they_do_not()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            "CREATE TABLE t (id char(4) PRIMARY KEY, n numeric(8,2), c char(5), v varchar(5), a numeric(8,2)[], at timestamp(0)); INSERT INTO t SELECT i, i + 0.5, 'c' || i, 'v' || i, ARRAY[i + 0.25, NULL], '2026-01-01 00:00:00' FROM generate_series(1, 10) i");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE t (id char(8) PRIMARY KEY, n numeric(12,4), c char(9), v varchar(50), a numeric(12,4)[], at timestamp(3))");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });

        (await CompareAsync(mimeo)).IsEqual.Should().BeTrue();
        (await mimeo.Client.ValidateAsync(QualifiedName.Parse("public.t"), new ValidationOptions { Checksum = true }, TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue();
        await mimeo.Databases.AtDestinationAsync("UPDATE t SET n = n + 0.0001 WHERE id = '3'; UPDATE t SET c = 'x' WHERE id = '4'; UPDATE t SET a = '{1}' WHERE id = '5'; DELETE FROM t WHERE id = '6'");
        var repaired = await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);

        repaired.Rows.Select(r => (r.Key.Trim('(', ')', '"').Trim(), r.Kind)).Should().Equal(("3", RowDifferenceKind.OtherValues), ("4", RowDifferenceKind.OtherValues), ("5", RowDifferenceKind.OtherValues), ("6", RowDifferenceKind.MissingHere));
        (await CompareAsync(mimeo)).IsEqual.Should().BeTrue();
        await mimeo.Databases.ShouldBeEqualAsync("SELECT id::text, trim_scale(n), c::text, v, a::numeric(8,2)[], at FROM t", "SELECT id::text, trim_scale(n), c::text, v, a::numeric(8,2)[], at FROM t");
    }

    [Fact]
    public async Task A_value_that_does_not_fit_here_differs()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, n numeric(8,2)); INSERT INTO t VALUES (1, 1.50), (2, 1.25)");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE t (id int PRIMARY KEY, n numeric(8,1))");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });

        var found = await CompareAsync(mimeo);

        found.Rows.Should().Equal(new RowDifference("(2)", RowDifferenceKind.OtherValues));
        found.Warnings.Should().Equal("'n' is numeric(8,2) at the source and numeric(8,1) at the destination: values that do not fit stay different. Give it the source's type.");
        var drift = (await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken)).Columns.Single();
        drift.Should().Be(new ColumnDrift("n", ColumnDriftKind.NarrowerHere, "numeric(8,2)", "numeric(8,1)", "ALTER TABLE \"public\".\"t\" ALTER COLUMN \"n\" TYPE numeric(8,2) USING \"n\"::numeric(8,2);"));
        await mimeo.Databases.AtDestinationAsync(drift.Statement!);
        await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);
        (await CompareAsync(mimeo)).IsEqual.Should().BeTrue();
        (await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken)).HasDrift.Should().BeFalse();
    }

    [Fact]
    public async Task A_column_that_is_called_as_the_row_is_does_not_stand_for_it()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, r text, w text); INSERT INTO t SELECT i, 'same', 'x' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtDestinationAsync("UPDATE t SET w = 'wrong' WHERE id = 5");

        (await mimeo.Client.ValidateAsync(QualifiedName.Parse("public.t"), new ValidationOptions { Checksum = true }, TestContext.Current.CancellationToken)).IsEqual.Should().BeFalse();
        (await CompareAsync(mimeo)).Rows.Should().Equal(new RowDifference("(5)", RowDifferenceKind.OtherValues));
    }

    [Fact]
    public async Task Databases_of_two_encodings_are_compared_by_characters()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var name = $"latin_{Guid.NewGuid():N}";
        await fixture.Cluster.ExecuteAsync($"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'", TestContext.Current.CancellationToken);
        await using (var source = NpgsqlDataSource.Create(fixture.Cluster.GetConnectionString(name)))
        {
            await using (var making = source.CreateCommand("CREATE TABLE t (id text PRIMARY KEY, w text); INSERT INTO t VALUES ('ü', 'x'), ('a', 'ö'), ('ä', 'ß')"))
                await making.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            await mimeo.Client.AddSourceAsync("erp", fixture.Cluster.GetConnectionString(name), TestContext.Current.CancellationToken);
            await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");

            (await CompareAsync(mimeo)).IsEqual.Should().BeTrue();
            (await mimeo.Client.ValidateAsync(QualifiedName.Parse("public.t"), new ValidationOptions { Checksum = true }, TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue();
            await mimeo.Databases.AtDestinationAsync("UPDATE t SET w = 's' WHERE id = 'ä'");
            (await CompareAsync(mimeo)).Rows.Should().Equal(new RowDifference("(ä)", RowDifferenceKind.OtherValues));
        }
        await fixture.Cluster.ExecuteAsync($"DROP DATABASE {name} WITH (FORCE)", TestContext.Current.CancellationToken);
    }

    private static Task<ComparisonResult> CompareAsync(Mimeo mimeo) => mimeo.Client.CompareAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);
}
