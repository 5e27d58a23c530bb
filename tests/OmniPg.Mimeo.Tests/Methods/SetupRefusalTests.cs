using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>A set-up that is refused says what is wrong, and not what follows from it.</summary>
public sealed class SetupRefusalTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Inserter, "none", true, "the source has no column 'none', which is to be the cursor")]
    [InlineData(ReplicationKind.Updater, "w", true, "the cursor column 'w' is text at the source, which is no time")]
    [InlineData(ReplicationKind.Updater, "id", true, "the cursor column 'id' is integer at the source, which is no time")]
    [InlineData(ReplicationKind.Inserter, "at", false, "the cursor column 'at' is timestamp with time zone at the source, which is no number")]
    [InlineData(ReplicationKind.Inserter, "numbers", false, "the cursor column 'numbers' is integer[] at the source, which is no number")]
    [InlineData(ReplicationKind.Inserter, "left", false, "the cursor column 'left' is not copied")]
    public async Task A_cursor_column_that_cannot_be_one_is_named_with_the_reason(ReplicationKind kind, string column, bool isTime, string difference)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, at timestamptz, numbers int[], \"left\" int)");

        var creating = () => mimeo.CreateAsync(kind, "public.t", s => s with { Columns = ["id", "w", "at", "numbers"], Cursor = isTime ? CursorColumn.Time(column) : CursorColumn.Serial(column) });

        (await creating.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal(difference);
        (await mimeo.Databases.DestinationAsync<bool>("SELECT to_regclass('t') IS NULL")).Should().BeTrue();
    }

    [Theory]
    [InlineData("small smallint", false)]
    [InlineData("n numeric(20, 0)", false)]
    [InlineData("f double precision", false)]
    [InlineData("counted counter", false)]
    [InlineData("d date", true)]
    [InlineData("ts timestamp(3)", true)]
    public async Task One_that_has_an_order_of_times_or_numbers_is_taken(string column, bool isTime)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        foreach (var database in (TestDatabase[])[mimeo.Databases.Source, mimeo.Databases.Destination])
            await database.ExecuteAsync("CREATE DOMAIN counter AS bigint", TestContext.Current.CancellationToken);
        var name = column.Split(' ')[0];
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (id int PRIMARY KEY, {column}); INSERT INTO t SELECT i, {(isTime ? "date '2020-01-01' + i" : "i")} FROM generate_series(1, 100) i");

        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.t", s => s with { Cursor = isTime ? CursorColumn.Time(name) : CursorColumn.Serial(name, 0) });
        await mimeo.Databases.AtSourceAsync($"INSERT INTO t SELECT i, {(isTime ? "date '2020-01-01' + i" : "i")} FROM generate_series(101, 110) i");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync(isTime ? "SELECT * FROM t" : $"SELECT * FROM t WHERE {name} < 110", "SELECT * FROM t");
    }

    [Theory]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    public async Task A_view_is_told_as_a_view_and_not_as_a_table_without_a_key(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY); CREATE VIEW v AS SELECT * FROM t");
        var spec = new ReplicationSpec { Kind = kind, From = "erp", Source = QualifiedName.Parse("public.v") };

        var creating = () => mimeo.Client.CreateAsync(spec, cancellationToken: TestContext.Current.CancellationToken);
        var explaining = () => mimeo.Client.ExplainAsync(spec, cancellationToken: TestContext.Current.CancellationToken);

        (await creating.Should().ThrowAsync<SourceKindException>()).Which.Message.Should().StartWith("Source 'public.v' is a view;");
        await explaining.Should().ThrowAsync<SourceKindException>();
    }
}
