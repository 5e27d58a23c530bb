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
