using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Diffing;

public sealed class SchemaDiffTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Each_change_is_reported_as_exactly_that_object_and_class()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await AllKindsDatabase.FillAsync(fixture.Cluster, database, TestContext.Current.CancellationToken);
        await database.ExecuteAsync("DROP SUBSCRIPTION incoming", TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree");
        (await work.Tree("tree").DiffAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken)).IsEmpty.Should().BeTrue();

        await database.ExecuteAsync("""
            DROP FUNCTION app.rows_of();
            CREATE TABLE app.brand_new (id integer);
            ALTER TABLE app.cache RENAME TO cached;
            ALTER TABLE app.usual_heap OWNER TO ak_owner;
            GRANT SELECT ON app.other_heap TO ak_reader;
            COMMENT ON TABLE app.hashed IS 'hashed by id';
            CREATE INDEX orders_extra ON app.orders (note);
            """, TestContext.Current.CancellationToken);
        var diff = await work.Tree("tree").DiffAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        diff.Objects.Select(o => (o.Status, o.SchemaObject.ToString(), o.Classes)).Should().BeEquivalentTo([
            (DiffStatus.Removed, "FUNCTION app.rows_of()", DiffClasses.None),
            (DiffStatus.Removed, "TABLE app.cache", DiffClasses.None),
            (DiffStatus.Added, "TABLE app.brand_new", DiffClasses.None),
            (DiffStatus.Added, "TABLE app.cached", DiffClasses.None),
            (DiffStatus.Changed, "TABLE app.usual_heap", DiffClasses.Owner),
            (DiffStatus.Changed, "TABLE app.other_heap", DiffClasses.Acl),
            (DiffStatus.Changed, "TABLE app.hashed", DiffClasses.Comment),
            (DiffStatus.Changed, "TABLE app.orders", DiffClasses.Definition),
        ]);
        diff.ToString().Should().Be("2 added, 2 removed, 4 changed");
        diff.Objects.Single(o => o.SchemaObject.Name == "orders").UnifiedText.Should().Contain("+CREATE INDEX orders_extra ON app.orders USING btree (note);");
        diff.EnvironmentMismatch.Should().BeNull();
    }

    [Fact]
    public async Task Archives_and_trees_of_one_database_are_equal()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE SCHEMA s; CREATE TABLE s.t (id integer PRIMARY KEY); CREATE VIEW s.v AS SELECT id FROM s.t", TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree");
        var archive = await work.DumpAsync(fixture.Cluster, database.Name);
        await work.ExtractAsync(archive, "other");

        (await work.Tree("tree").DiffAsync(work.Extractor.FromArchive(archive), cancellationToken: TestContext.Current.CancellationToken)).IsEmpty.Should().BeTrue();
        (await work.Tree("tree").DiffAsync(work.Tree("other"), cancellationToken: TestContext.Current.CancellationToken)).IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task Edited_moved_and_added_files_are_seen()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE t (id integer); CREATE VIEW v AS SELECT 1 AS one", TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "old");
        await work.ExtractAsync(database.DataSource, "new");
        File.WriteAllText(work.Path("new/views/public.v.sql"), File.ReadAllText(work.Path("new/views/public.v.sql")).Replace("1 AS one", "2 AS one"));
        File.WriteAllText(work.Path("new/tables/public.extra.sql"), "--\n-- Name: extra; Type: TABLE; Schema: public; Owner: -\n--\n\nCREATE TABLE public.extra ();\n");

        var diff = await work.Tree("old").DiffAsync(work.Tree("new"), cancellationToken: TestContext.Current.CancellationToken);

        diff.Objects.Select(o => (o.Status, o.SchemaObject.ToString())).Should().Equal(
            (DiffStatus.Added, "TABLE public.extra"), (DiffStatus.Changed, "VIEW public.v"));
        diff.ToUnifiedText().Should().Contain("--- /dev/null\n+++ b/tables/public.extra.sql\n")
            .And.Contain("- SELECT 1 AS one;\n+ SELECT 2 AS one;\n");
        diff.Notes.Should().ContainSingle().Which.Should().Be("'tables/public.extra.sql' is not in the manifest; its entries come after those of the same section.");
    }

    [Fact]
    public async Task First_grant_on_what_is_not_dumped_itself_is_a_change_of_its_class()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree");
        await database.ExecuteAsync("GRANT CREATE ON SCHEMA public TO pg_monitor; GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_reset() TO pg_monitor; "
            + "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor", TestContext.Current.CancellationToken);

        var diff = await work.Tree("tree").DiffAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        diff.Objects.Where(static o => o.SchemaObject.Kind != "SCHEMA" || o.SchemaObject.Name == "public").Select(static o => (o.Status, o.Classes)).Should()
            .HaveCount(3).And.AllBeEquivalentTo((DiffStatus.Changed, DiffClasses.Acl));
        await database.ExecuteAsync("COMMENT ON SCHEMA public IS 'ours'", TestContext.Current.CancellationToken);
        (await work.Tree("tree").DiffAsync(database.DataSource, cancellationToken: TestContext.Current.CancellationToken)).Objects
            .Single(static o => o.SchemaObject.Kind == "SCHEMA").Classes.Should().Be(DiffClasses.Acl | DiffClasses.Comment);
    }

    [Theory]
    [InlineData("BLOB", 2)]
    [InlineData("BLOB METADATA", 3)]
    public async Task Large_objects_are_compared_between_two_trees_that_hold_them(string desc, int section)
    {
        using var work = new ExtractionCase();
        foreach (var owner in new[] { "ann", "bob" })
        {
            var archive = new ArchiveBuilder
            {
                Version = new(1, 16), DumpVersion = "17.12",
                Entries =
                {
                    ArchiveBuilder.EncodingEntry(), ArchiveBuilder.StringsEntry(), ArchiveBuilder.SearchPathEntry(),
                    new BuiltEntry(4, desc, "5") { Section = section, Owner = owner, Definition = desc == "BLOB" ? "SELECT pg_catalog.lo_create('5');\n" : "5\n", Drop = "SELECT pg_catalog.lo_unlink" },
                    new BuiltEntry(5, "BLOBS", "5") { Section = 3, Dependencies = ["4"], LargeObjects = [(5, [1, 2, 3])] },
                },
            };
            await File.WriteAllBytesAsync(work.Path(owner + ".dump"), archive.Build(), TestContext.Current.CancellationToken);
            await work.ExtractAsync(work.Path(owner + ".dump"), owner, static o => o.Data = new DataOptions { IncludeLargeObjects = true });
        }

        var diff = await work.Tree("ann").DiffAsync(work.Tree("bob"), cancellationToken: TestContext.Current.CancellationToken);

        diff.Objects.Select(static o => (o.Status, o.SchemaObject.Kind, o.Classes)).Should().Equal((DiffStatus.Changed, "LARGE OBJECT", DiffClasses.Owner));
    }

    [Fact]
    public async Task Owner_that_no_statement_sets_is_no_difference()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var role = "owner_" + database.Name;
        await database.ExecuteAsync($"CREATE ROLE {role}; ALTER FUNCTION pg_catalog.pg_stat_reset() OWNER TO {role}; GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_reset() TO pg_monitor", TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree");

        var verified = await work.Extractor.VerifyAsync(work.Tree("tree"), fixture.Cluster.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        File.ReadAllText(work.Path("tree/grants/pg_catalog.FUNCTION,20,pg_stat_reset,28,,29,.sql")).Should().Contain($"Owner: {role}");
        verified.Differences.Select(static d => d.UnifiedText).Should().BeEmpty();
        await database.ExecuteAsync($"ALTER FUNCTION pg_catalog.pg_stat_reset() OWNER TO postgres; DROP ROLE {role}", TestContext.Current.CancellationToken);
    }
}
