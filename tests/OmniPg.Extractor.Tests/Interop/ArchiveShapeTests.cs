using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Interop;

/// <summary>Whatever shape a dump has, the tree is the same.</summary>
public sealed class ArchiveShapeTests(AllKindsDatabase source) : IClassFixture<AllKindsDatabase>
{
    [Fact]
    public async Task Archives_of_every_shape_and_the_live_database_give_the_same_tree()
    {
        using var work = new ExtractionCase();
        var data = new DataOptions { IncludeLargeObjects = true };
        string[] shapes = ["z0", "z9", "directory", "directory-z0", "pipe"];
        await work.DumpAsync(source.Cluster, source.Name, "z0", "-Z0");
        await work.DumpAsync(source.Cluster, source.Name, "z9", "-Z9");
        await PgTools.DumpAsync(source.Cluster, source.Name, "-Fd", "-f", work.Path("directory"));
        await PgTools.DumpAsync(source.Cluster, source.Name, "-Fd", "-Z0", "-f", work.Path("directory-z0"));
        await File.WriteAllBytesAsync(work.Path("pipe"), await PgTools.DumpAsync(source.Cluster, source.Name, "-Fc"), TestContext.Current.CancellationToken);

        await work.ExtractAsync(source.Database.DataSource, "live", o => o.Data = data);
        foreach (var shape in shapes)
            await work.ExtractAsync(work.Path(shape), "tree-" + shape, o => o.Data = data);

        var expected = work.Content("tree-" + shapes[0]);
        // Since 17 pg_dump writes large objects in groups of one owner and one set of grants, each with contents of its own.
        string[] largeObjects = source.Cluster.MajorVersion >= 17
            ? ["data/large_objects.424201.sql", "data/large_objects.424202.sql", "data/large_objects.424203.sql"] : ["data/large_objects.sql"];
        expected.Keys.Should().Contain(["data/app.orders.sql", "tables/app.orders.sql"]);
        expected.Keys.Where(static file => file.StartsWith("data/large_objects", StringComparison.Ordinal)).Should().Equal(largeObjects);
        foreach (var shape in shapes[1..])
            work.Content("tree-" + shape).Should().Equal(expected, "{0} holds the same", shape);
        // Only the living server knows versions of extensions, and only the manifest tells them.
        Without("omnipg.manifest.json", work.Content("live")).Should().Equal(Without("omnipg.manifest.json", expected));
    }

    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    public async Task Servers_of_earlier_majors_are_extracted_replayed_and_verified(int major)
    {
        var installation = await PgInstallations.TryGetAsync(major, TestContext.Current.CancellationToken);
        Assert.SkipUnless(installation is not null, $"PostgreSQL {major.ToString(CultureInfo.InvariantCulture)} is neither installed nor can it be fetched.");
        using var work = new ExtractionCase();
        await using var cluster = await PgCluster.StartAsync(major, TestContext.Current.CancellationToken);
        await using var database = await cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("""
            CREATE SCHEMA app;
            CREATE TYPE app.span AS RANGE (subtype = numeric);
            CREATE TABLE app.customers (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
            CREATE TABLE app.orders (id serial, customer integer REFERENCES app.customers, at timestamptz NOT NULL, s app.span) PARTITION BY RANGE (at);
            CREATE TABLE app.orders_1 PARTITION OF app.orders FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00');
            CREATE INDEX ON app.orders (customer);
            CREATE VIEW app.v AS SELECT * FROM app.customers;
            CREATE FUNCTION app.f(a integer, b text DEFAULT 'x;y') RETURNS integer LANGUAGE sql AS 'SELECT 1';
            CREATE TRIGGER t BEFORE UPDATE ON app.customers FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
            CREATE POLICY p ON app.customers USING (true);
            CREATE PUBLICATION pub FOR TABLE app.customers;
            GRANT SELECT ON app.customers TO PUBLIC;
            COMMENT ON COLUMN app.customers.name IS 'name';
            """, TestContext.Current.CancellationToken);
        await DumpOlderAsync(cluster, database.Name, work.Path("older.dump"));

        var live = await work.ExtractAsync(database.DataSource, "live");
        await work.ExtractAsync(work.Path("older.dump"), "archive");
        var verified = await work.Extractor.VerifyAsync(work.Tree("live"), cluster.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        live.Environment.Server.Should().StartWith($"{major}.");
        live.Account.IsClosed.Should().BeTrue();
        live.Account.Unknown.Should().Be(0);
        work.Content("archive").Should().Equal(work.Content("live").Select(f => f.Key == "omnipg.manifest.json" ? new(f.Key, work.Content("archive")[f.Key]) : f));
        verified.Differences.Select(static d => d.UnifiedText).Should().BeEmpty();
    }

    // With the newest installed pg_dump, as the extractor itself does.
    private Task<byte[]> DumpOlderAsync(PgCluster cluster, string database, string file) => PgTools.RunAsync(
        source.Cluster.Installation.Program("pg_dump"),
        ["-Fc", "-s", "-f", file, "-h", "127.0.0.1", "-p", cluster.Port.ToString(CultureInfo.InvariantCulture), "-U", "postgres", "-d", database]);

    private static IEnumerable<KeyValuePair<string, string>> Without(string name, SortedDictionary<string, string> content) =>
        content.Where(file => file.Key != name);
}
