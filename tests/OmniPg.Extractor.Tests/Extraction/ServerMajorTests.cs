using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class ServerMajorTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    public async Task Older_servers_are_extracted_and_replayed(int major)
    {
        await using var cluster = await StartAsync(major);
        await using var database = await cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var target = await cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await AllKindsDatabase.FillAsync(cluster, database, TestContext.Current.CancellationToken);
        using var work = new ExtractionCase();
        try
        {
            var report = await work.ExtractAsync(database.DataSource, "tree", o => (o.Roles, o.Data, o.OrReplace) = (true, new DataOptions(), true));
            var replayed = await work.Tree("tree").ReplayAsync(target.DataSource, new ReplayOptions
            {
                Kinds = ObjectKinds.All & ~(ObjectKinds.Database | ObjectKinds.Subscriptions | ObjectKinds.UserMappings),
            }, TestContext.Current.CancellationToken);

            report.Environment.Server.Should().StartWith($"{major}.");
            report.Account.IsClosed.Should().BeTrue();
            report.Account.Unknown.Should().Be(0);
            report.Account.Consumed.Should().Be(3);
            replayed.Entries.Should().BeGreaterThan(100);
            File.ReadAllText(work.Path("tree/tables/app.orders.sql")).Contains("CREATE OR REPLACE TRIGGER", StringComparison.Ordinal).Should().Be(major >= 14);
        }
        finally
        {
            await database.ExecuteAsync("DROP SUBSCRIPTION IF EXISTS incoming", TestContext.Current.CancellationToken);
        }
    }

    [Theory]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    [InlineData(19)]
    public async Task Newer_servers_are_extracted_verified_replayed_and_compared(int major)
    {
        await using var cluster = await StartAsync(major);
        Assert.SkipUnless(cluster.Installation.Has("pg_dump"), $"'{cluster.BinDirectory}' has no pg_dump.");
        await using var database = await cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var target = await cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await AllKindsDatabase.FillAsync(cluster, database, TestContext.Current.CancellationToken);
        await database.ExecuteAsync("ANALYZE", TestContext.Current.CancellationToken);
        if (major >= 19)
            await database.ExecuteAsync("CREATE PUBLICATION nineteen FOR ALL TABLES EXCEPT (TABLE ONLY app.hashed, app.other_heap), ALL SEQUENCES", TestContext.Current.CancellationToken);
        using var work = new ExtractionCase();
        var extractor = ExtractionCase.With(cluster.BinDirectory);
        var replay = new ReplayOptions { Kinds = ObjectKinds.All & ~(ObjectKinds.Database | ObjectKinds.Subscriptions), Secrets = new MaskAsSecret() };
        try
        {
            var report = await extractor.From(database.DataSource)
                .RunAsync(work.Path("tree"), new ExtractionOptions { Data = new DataOptions { IncludeLargeObjects = true }, PsqlDriver = true }, cancellationToken: TestContext.Current.CancellationToken);
            var tree = extractor.OpenTree(work.Path("tree"));
            var replayed = await tree.ReplayAsync(target.DataSource, replay, TestContext.Current.CancellationToken);
            var verified = await extractor.VerifyAsync(tree, cluster.DataSource, cancellationToken: TestContext.Current.CancellationToken);
            var diff = await tree.DiffAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken);

            report.Warnings.Should().BeEmpty();
            report.Account.Unknown.Should().Be(0);
            replayed.Entries.Should().BeGreaterThan(100);
            verified.Differences.Select(static d => d.UnifiedText).Should().BeEmpty();
            diff.Objects.Select(static o => o.SchemaObject.ToString()).Should().Equal("SUBSCRIPTION incoming");
        }
        finally
        {
            await database.ExecuteAsync("DROP SUBSCRIPTION IF EXISTS incoming", TestContext.Current.CancellationToken);
        }
    }

    [Theory]
    [InlineData(18)]
    [InlineData(19)]
    public async Task Statistics_of_archives_are_data(int major)
    {
        await using var cluster = await StartAsync(major);
        Assert.SkipUnless(cluster.Installation.Has("pg_dump"), $"'{cluster.BinDirectory}' has no pg_dump.");
        await using var database = await cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE t (a text, b text); INSERT INTO t SELECT 'secret', 'value' FROM generate_series(1, 100); "
            + "CREATE STATISTICS s (mcv) ON a, b FROM t; ANALYZE t", TestContext.Current.CancellationToken);
        using var work = new ExtractionCase();
        var archive = await work.DumpAsync(cluster, database.Name, "all.dump", "--no-data", "--statistics");

        var plain = await work.ExtractAsync(archive, "plain");
        var wanted = await work.ExtractAsync(archive, "wanted", o => o.StatisticsData = true);

        plain.Account.Unknown.Should().Be(0);
        plain.Files.Select(static f => f.Path).Should().Equal("database.sql", "tables/public.t.sql");
        wanted.Files.Select(static f => f.Path).Should().Equal(["database.sql", .. major >= 19 ? ["statistics/public.s.sql"] : Array.Empty<string>(), "statistics/public.t.sql", "tables/public.t.sql"]);
        (await work.Tree("wanted").DiffAsync(work.Tree("plain"), cancellationToken: TestContext.Current.CancellationToken)).ToUnifiedText().Should().BeEmpty();
    }

    [Theory]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task Server_newer_than_every_pg_dump_is_named_before_a_file_is_touched(int major)
    {
        await using var cluster = await StartAsync(major);
        using var work = new ExtractionCase();
        var tool = await new PgToolLocator(PgTools.Tools).FindPgDumpAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.SkipWhen(tool.Version.Major >= major, $"pg_dump {tool.Version} can dump PostgreSQL {major}.");

        var known = () => work.ExtractAsync(cluster.DataSource, "tree");
        var unknown = () => work.Extractor.From(PgDumpSource.FromConnectionString(cluster.ConnectionString))
            .RunAsync(work.Path("tree"), cancellationToken: TestContext.Current.CancellationToken);

        foreach (var run in new[] { known, unknown })
        {
            var error = (await run.Should().ThrowAsync<PgToolNotFoundException>()).Which;
            error.Code.Should().Be("extractor.tool.version");
            error.Message.Should().Contain($"'{tool.Path}'").And.Contain($"'{tool.Version}'").And.Contain($"{major}.");
            error.Hint.Should().NotBeNullOrEmpty();
        }
        Directory.Exists(work.Path("tree")).Should().BeFalse();
    }

    private static async Task<PgCluster> StartAsync(int major)
    {
        try
        {
            return await PgCluster.StartAsync(major, TestContext.Current.CancellationToken);
        }
        catch (InvalidOperationException error) when (error.Message.StartsWith("No PostgreSQL", StringComparison.Ordinal))
        {
            Assert.Skip(error.Message);
            throw;
        }
    }
}
