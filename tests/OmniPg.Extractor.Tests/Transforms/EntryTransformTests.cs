using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Transforms;

public sealed class EntryTransformTests(PgClusterFixture fixture)
{
    private const string Schema = """
        CREATE SCHEMA app; CREATE TABLE app.t (id integer PRIMARY KEY) WITH (fillfactor = 70); CREATE INDEX noise ON app.t (id);
        CREATE FUNCTION app.f() RETURNS text LANGUAGE sql AS $$SELECT 'host-7'$$;
        """;

    [Fact]
    public async Task Transforms_rename_mask_and_leave_out_in_their_order()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema, TestContext.Current.CancellationToken);

        var options = new ExtractionOptions
        {
            Transforms =
            [
                static entry => entry.Owner == "postgres" ? entry with { Owner = "app_owner" } : entry,
                static entry => entry.Owner == "app_owner" ? entry with { Owner = "renamed twice" } : entry,
                static entry => entry.Kind == TocKind.Index ? null : entry,
                static entry => entry with { Definition = entry.Definition?.Replace("host-7", "host", StringComparison.Ordinal) },
            ],
        };
        var report = await work.Extractor.From(database.DataSource).RunAsync(work.Path("tree"), options, cancellationToken: TestContext.Current.CancellationToken);

        var table = File.ReadAllText(work.Path("tree/tables/app.t.sql"));
        table.Should().Contain("ALTER TABLE app.t OWNER TO \"renamed twice\";").And.NotContain("noise").And.Contain("t_pkey");
        File.ReadAllText(work.Path("tree/functions/app.f.sql")).Should().Contain("'host'").And.NotContain("host-7");
        report.Account.Filtered.Should().Be(1);
        report.Account.IsClosed.Should().BeTrue();
    }

    [Fact]
    public async Task Transformed_tree_is_stable_and_compares_with_the_same_transforms_alone()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        Action<ExtractionOptions> options = o => o.Transforms = [static entry => entry.Owner == "postgres" ? entry with { Owner = "x" } : entry];
        await work.ExtractAsync(database.DataSource, "tree", options);

        var again = await work.ExtractAsync(database.DataSource, "tree", options);
        var tree = await work.Tree("tree").ReadAsync(TestContext.Current.CancellationToken);
        var extraction = work.Extractor.From(database.DataSource);
        var same = extraction.OptionsOf(tree);
        options(same);
        var with = await extraction.ToSnapshotAsync(same, TestContext.Current.CancellationToken);
        var without = await extraction.ToSnapshotAsync(extraction.OptionsOf(tree), TestContext.Current.CancellationToken);

        again.Changed.Should().BeEmpty();
        SchemaDiff.Between(tree, with).IsEmpty.Should().BeTrue();
        SchemaDiff.Between(tree, without).Objects.Should().NotBeEmpty().And.OnlyContain(item => item.Classes.HasFlag(DiffClasses.Owner));
    }
}
