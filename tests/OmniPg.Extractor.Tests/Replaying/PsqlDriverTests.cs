using Microsoft.Extensions.Options;
using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Replaying;

public sealed class PsqlDriverTests(AllKindsDatabase source) : IClassFixture<AllKindsDatabase>
{
    [Fact]
    public async Task Psql_alone_builds_the_same_database_from_the_files()
    {
        using var work = new ExtractionCase();
        await work.ExtractAsync(source.Database.DataSource, "tree", o =>
            (o.PsqlDriver, o.Data, o.Kinds) = (true, new DataOptions { IncludeLargeObjects = true }, ObjectKinds.All & ~(ObjectKinds.Subscriptions | ObjectKinds.Database)));
        await using var target = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var replayed = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);

        await PsqlAsync(target, work.Path("tree/replay.sql"));
        await work.Tree("tree").ReplayAsync(replayed.DataSource, new() { Secrets = new MaskAsSecret() }, TestContext.Current.CancellationToken);

        ArchiveScript.ShouldEqual(await DumpAsync(target), await DumpAsync(replayed));
        (await work.Tree("tree").DiffAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken)).ToUnifiedText().Should().BeEmpty();
    }

    [Fact]
    public async Task Files_are_cut_only_where_they_must_be()
    {
        using var work = new ExtractionCase();
        await using var database = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        // The function needs the type of the first table, whose second column's default needs the function.
        await database.ExecuteAsync("""
            CREATE TABLE plain (id integer);
            CREATE TABLE a (id integer PRIMARY KEY);
            CREATE TABLE b (id integer PRIMARY KEY REFERENCES a);
            ALTER TABLE a ADD FOREIGN KEY (id) REFERENCES b;
            CREATE FUNCTION count_of(a) RETURNS integer LANGUAGE sql AS 'SELECT 1';
            ALTER TABLE a ADD n integer;
            ALTER TABLE a ALTER n SET DEFAULT count_of(NULL::a);
            """, TestContext.Current.CancellationToken);

        var report = await work.ExtractAsync(database.DataSource, "tree", o => o.PsqlDriver = true);
        await using var target = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await PsqlAsync(target, work.Path("tree/replay.sql"));

        report.Files.Select(static f => f.Path).Should().Equal("database.sql", "functions/public.count_of.sql", "replay.sql",
            "tables/public.a.2.sql", "tables/public.a.post.2.sql", "tables/public.a.post.sql", "tables/public.a.sql",
            "tables/public.b.post.sql", "tables/public.b.sql", "tables/public.plain.sql");
        File.ReadAllLines(work.Path("tree/replay.sql")).Where(static line => line.StartsWith("\\ir", StringComparison.Ordinal)).Should().HaveCount(8);
        (await work.ExtractAsync(database.DataSource, "tree", o => o.PsqlDriver = true)).Changed.Should().BeEmpty();
        (await work.Tree("tree").ReadAsync(TestContext.Current.CancellationToken)).Warnings.Should().BeEmpty();
        (await work.Tree("tree").DiffAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken)).Objects.Should().BeEmpty();
    }

    [Theory]
    [InlineData("BLOB", 2)]
    [InlineData("BLOB METADATA", 3)]
    public async Task Large_objects_are_made_before_they_are_filled(string desc, int section)
    {
        using var work = new ExtractionCase();
        var archive = new ArchiveBuilder
        {
            Version = new(1, 16), DumpVersion = "17.12",
            Entries =
            {
                ArchiveBuilder.EncodingEntry(), ArchiveBuilder.StringsEntry(), ArchiveBuilder.SearchPathEntry(),
                new BuiltEntry(4, desc, "5") { Section = section, Owner = "ann", Definition = desc == "BLOB" ? "SELECT pg_catalog.lo_create('5');\n" : "5\n", Drop = "SELECT pg_catalog.lo_unlink" },
                new BuiltEntry(5, "COMMENT", "LARGE OBJECT 5") { Section = 1, Dependencies = ["4"], Definition = "COMMENT ON LARGE OBJECT 5 IS 'five';\n" },
                new BuiltEntry(6, "ACL", "LARGE OBJECT 5") { Section = 1, Dependencies = ["4"], Definition = "GRANT SELECT ON LARGE OBJECT 5 TO bob;\n" },
                new BuiltEntry(7, "BLOBS", "5") { Section = 3, Dependencies = ["4"], LargeObjects = [(5, [1, 2, 3])] },
            },
        };
        await File.WriteAllBytesAsync(work.Path("a.dump"), archive.Build(), TestContext.Current.CancellationToken);

        await work.ExtractAsync(work.Path("a.dump"), "tree", o => (o.PsqlDriver, o.Data) = (true, new DataOptions { IncludeLargeObjects = true }));

        File.ReadAllLines(work.Path("tree/replay.sql")).Where(static line => line.StartsWith("\\ir", StringComparison.Ordinal)).Should().Equal(
            "\\ir 'large_objects/large,20,objects.sql'", "\\ir 'data/large_objects.5.sql'", "\\ir 'large_objects/large,20,objects.post.sql'");
        File.ReadAllText(work.Path("tree/large_objects/large,20,objects.sql")).Should().Contain("lo_create('5');").And.Contain("COMMENT ON LARGE OBJECT 5");
    }

    [Fact]
    public async Task Drops_and_the_script_exclude_each_other()
    {
        using var work = new ExtractionCase();

        var act = () => work.ExtractAsync(source.Database.DataSource, "tree", o => (o.PsqlDriver, o.Clean) = (true, true));

        (await act.Should().ThrowAsync<OptionsValidationException>()).WithMessage("PsqlDriver and Clean exclude each other*");
    }

    private Task<byte[]> PsqlAsync(TestDatabase database, string script) => PgTools.RunAsync(source.Cluster.Installation.Program("psql"),
        ["-X", "-q", "-h", "127.0.0.1", "-p", source.Cluster.Port.ToString(CultureInfo.InvariantCulture), "-U", "postgres", "-d", database.Name, "-f", script]);

    private Task<byte[]> DumpAsync(TestDatabase database) => PgTools.DumpAsync(source.Cluster, database.Name, "--restrict-key=k", "--no-subscriptions");
}
