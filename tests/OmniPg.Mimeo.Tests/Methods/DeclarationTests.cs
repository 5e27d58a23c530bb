using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Tables as they are declared, from code or from texts.</summary>
public sealed class DeclarationTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Declared_tables_are_set_up_changed_and_left_alone_and_others_stay()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", s => s with { Destination = QualifiedName.Parse("public.other") });
        var (shown, followed, grown) = (Spec(ReplicationKind.Snapshot, "shown") with { Period = "1 hour" }, Spec(ReplicationKind.Dml, "followed"), Spec(ReplicationKind.Updater, "grown") with { Cursor = CursorColumn.Time("col3", "5 minutes"), Columns = ["col3", "col1"] });

        (await PlanAsync(shown, followed, grown)).Should().Equal("public.shown Created ", "public.followed Created ", "public.grown Created ");
        (await mimeo.Client.ListAsync(TestContext.Current.CancellationToken)).Should().HaveCount(1);
        (await ApplyAsync(shown, followed, grown)).Should().Equal("public.shown Created ", "public.followed Created ", "public.grown Created ");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM shown");
        // In another order the columns are the same ones, and a key that is not given is that of the table.
        grown = grown with { Columns = ["col1", "col3"] };
        (await ApplyAsync(shown, followed, grown)).Should().Equal("public.shown Unchanged ", "public.followed Unchanged ", "public.grown Unchanged ");

        shown = shown with { Condition = "WHERE col1 <= 10", SkipUnchanged = false, PostScript = ["SELECT 1"], Period = null };
        followed = followed with { BatchLimit = 100, Audit = false };
        (await PlanAsync(grown, followed, shown)).Should().Equal("public.grown Unchanged ", "public.followed Changed BatchLimit Audit", "public.shown Changed Period SkipUnchanged PostScript Condition");
        (await ApplyAsync(grown, followed, shown)).Should().Equal("public.grown Unchanged ", "public.followed Changed BatchLimit Audit", "public.shown Changed Period SkipUnchanged PostScript Condition");
        (await ApplyAsync(grown, followed, shown)).Should().Equal("public.grown Unchanged ", "public.followed Unchanged ", "public.shown Unchanged ");
        await mimeo.RefreshAsync("public.shown");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t WHERE col1 <= 10", "SELECT * FROM shown");
        // As the list gives them, queues and all.
        var listed = await mimeo.Client.ListAsync(TestContext.Current.CancellationToken);
        (await mimeo.Client.ApplyTablesAsync(listed, cancellationToken: TestContext.Current.CancellationToken)).Select(d => d.Outcome).Should().Equal(Enumerable.Repeat(DeclaredFate.Unchanged, 4));

        async Task<IEnumerable<string>> PlanAsync(params ReplicationSpec[] tables) => (await mimeo.Client.PlanTablesAsync(tables, TestContext.Current.CancellationToken)).Select(Text);

        async Task<IEnumerable<string>> ApplyAsync(params ReplicationSpec[] tables) => (await mimeo.Client.ApplyTablesAsync(tables, cancellationToken: TestContext.Current.CancellationToken)).Select(Text);

        static string Text(DeclaredTable table) => $"{table.Destination} {table.Outcome} {string.Join(' ', table.Changed)}";
    }

    [Fact]
    public async Task Nothing_is_changed_where_one_of_them_cannot_be_and_all_reasons_are_told()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        var (shown, followed) = (Spec(ReplicationKind.Snapshot, "shown"), Spec(ReplicationKind.Dml, "followed"));
        await mimeo.Client.ApplyTablesAsync([shown, followed], cancellationToken: TestContext.Current.CancellationToken);
        var added = Spec(ReplicationKind.Table, "added");

        var conflict = () => ApplyAsync(added, shown with { Kind = ReplicationKind.Table }, followed with { Condition = "WHERE col1 > 5", Key = ["col2"] });
        (await conflict.Should().ThrowAsync<ReplicationConflictException>()).Which.Message.Should().Contain("'public.shown' is managed with another Kind; 'public.followed' is managed with another Key; 'public.followed' is managed with another Condition.");
        var unknown = () => ApplyAsync(added, Spec(ReplicationKind.Table, "more") with { From = "nobody" });
        await unknown.Should().ThrowAsync<UnknownSourceException>();
        foreach (var senseless in (ReplicationSpec[])[added, added with { Destination = QualifiedName.Parse("public.more"), BatchLimit = 5 }, Spec(ReplicationKind.Dml, "more") with { Queue = QualifiedName.Parse("a.b") }, Spec(ReplicationKind.Table, "more") with { Sequences = [QualifiedName.Parse("bare")] },
            Spec(ReplicationKind.Table, "more") with { SkipUnchanged = false }])
        {
            var applying = () => ApplyAsync(added, senseless);
            await applying.Should().ThrowAsync<ArgumentException>();
        }

        (await mimeo.Client.ListAsync(TestContext.Current.CancellationToken)).Select(s => $"{s.Target} {s.Kind}").Should().Equal("public.followed Dml", "public.shown Snapshot");

        Task ApplyAsync(params ReplicationSpec[] tables) => mimeo.Client.ApplyTablesAsync(tables, cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_table_that_was_there_is_told_for_it_gets_no_rows()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE followed (col1 int PRIMARY KEY, col2 text, col3 timestamptz)");

        var made = await mimeo.Client.ApplyTablesAsync([Spec(ReplicationKind.Dml, "followed"), Spec(ReplicationKind.Table, "whole")], cancellationToken: TestContext.Current.CancellationToken);

        made.Select(d => string.Join(' ', d.Warnings)).Should().Equal("'public.followed' was there, so no rows were pulled.", "");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM followed")).Should().Be(0);
    }

    [Fact]
    public void A_specification_is_read_from_the_names_of_its_properties()
    {
        var destination = QualifiedName.Parse("dw.orders");

        ReplicationSpec.Parse(destination, [new("kind", "updater"), new("FROM", "erp"), new("Source", "public.orders"), new("columns", null), new("columns:10", "c"), new("columns:2", "a, b"), new("Cursor:Time", "at"),
            new("cursor:boundary", "2 hours"), new("Key:0", "id"), new("Period", "1 day"), new("BatchLimit", "7"), new("Audit", "false")])
            .Should().BeEquivalentTo(new ReplicationSpec
            {
                Kind = ReplicationKind.Updater, From = "erp", Source = QualifiedName.Parse("public.orders"), Destination = destination, Columns = ["a, b", "c"], Cursor = CursorColumn.Time("at", "2 hours"), Key = ["id"],
                Period = "1 day", BatchLimit = 7, Audit = false,
            });
        ReplicationSpec.Parse(destination, [new("Kind", "table"), new("From", "erp"), new("TruncateCascade", "true"), new("Sequences:0", "dw.s")])
            .Should().BeEquivalentTo(new ReplicationSpec { Kind = ReplicationKind.Table, From = "erp", Source = destination, Destination = destination, TruncateCascade = true, Sequences = [QualifiedName.Parse("dw.s")] });
    }

    [Fact]
    public void What_is_declared_as_null_or_as_an_empty_list_is_the_default()
    {
        var destination = QualifiedName.Parse("dw.orders");

        ReplicationSpec.Parse(destination, [new("kind", "table"), new("from", "erp"), new("columns", ""), new("Sequences", ""), new("key", null), new("cursor", null), new("Cursor:Boundary", null), new("period", null)])
            .Should().BeEquivalentTo(new ReplicationSpec { Kind = ReplicationKind.Table, From = "erp", Source = destination, Destination = destination });
    }

    [Theory]
    [InlineData("'Kind' is missing.", "From", "erp")]
    [InlineData("'From' is missing.", "Kind", "table")]
    [InlineData("'Kind' cannot be '1': It is none of Snapshot, Table, Inserter, Updater, Dml, Logdel, Logical.", "Kind", "1", "From", "erp")]
    [InlineData("'Kind' cannot be 'snapshot,table': It is none of Snapshot, Table, Inserter, Updater, Dml, Logdel, Logical.", "Kind", "snapshot,table", "From", "erp")]
    [InlineData("'columns:x' is no place of a list.", "Kind", "table", "From", "erp", "columns:x", "a")]
    [InlineData("'Columns' is a list.", "Kind", "table", "From", "erp", "columns", "a, b")]
    [InlineData("'Cursor' cannot be read: Time and Serial contradict each other.", "Kind", "inserter", "From", "erp", "cursor:time", "a", "cursor:serial", "b")]
    [InlineData("'Cursor' cannot be read: It needs Time or Serial.", "Kind", "inserter", "From", "erp", "cursor:boundary", "5")]
    [InlineData("'queue': a table has no such property.", "Kind", "dml", "From", "erp", "queue", "a.b")]
    [InlineData("'kind' stands there twice.", "Kind", "dml", "kind", "dml")]
    [InlineData("'colums': a table has no such property.", "Kind", "table", "From", "erp", "colums", null)]
    [InlineData("'queue:0': a table has no such property.", "Kind", "table", "From", "erp", "queue:0", null)]
    [InlineData("'columns:1' has no value that can be read.", "Kind", "table", "From", "erp", "columns:0", "a", "columns:1", null)]
    [InlineData("'cursor' has no value that can be read.", "Kind", "table", "From", "erp", "cursor", "")]
    [InlineData("'Condition' is empty; without it all rows are meant.", "Kind", "table", "From", "erp", "condition", "")]
    public void A_property_that_cannot_be_read_is_told(string message, params string?[] texts)
    {
        var parsing = () => ReplicationSpec.Parse(QualifiedName.Parse("dw.orders"), texts.Chunk(2).Select(c => KeyValuePair.Create(c[0]!, c[1])));

        parsing.Should().Throw<FormatException>().WithMessage(message);
    }

    private static ReplicationSpec Spec(ReplicationKind kind, string name) => new() { Kind = kind, From = "erp", Source = QualifiedName.Parse("public.t"), Destination = QualifiedName.Create("public", name) };
}
