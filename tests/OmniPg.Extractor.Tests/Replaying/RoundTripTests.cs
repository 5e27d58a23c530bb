using System.Text;


namespace OmniPg.Extractor.Tests.Replaying;

public sealed class RoundTripTests(AllKindsDatabase source) : IClassFixture<AllKindsDatabase>
{
    private static ReplayOptions Options => new() { Secrets = new FixedSecrets(), Kinds = ObjectKinds.All & ~(ObjectKinds.Database | ObjectKinds.Subscriptions) };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Replayed_tree_equals_a_restored_archive(bool singleTransaction)
    {
        using var work = new ExtractionCase();
        var archive = await work.DumpAsync(source.Cluster, source.Name);
        await work.ExtractAsync(archive, "tree", o => o.Data = new DataOptions { IncludeLargeObjects = true });
        await using var replayed = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var restored = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);

        var options = Options;
        options.SingleTransaction = singleTransaction;
        var report = await work.Tree("tree").ReplayAsync(replayed.DataSource, options, TestContext.Current.CancellationToken);
        await RestoreAsync(archive, restored.Name, work.Path("list"));

        report.Skipped.Should().BeEmpty();
        report.OutsideTransaction.Should().BeEmpty();
        ArchiveScript.ShouldEqual(await PlainDumpAsync(replayed.Name, []), await PlainDumpAsync(restored.Name, []));
    }

    [Fact]
    public async Task Generations_after_the_first_are_equal()
    {
        using var work = new ExtractionCase();
        var archive = await work.DumpAsync(source.Cluster, source.Name, "all.dump", "-s");
        await work.ExtractAsync(archive, "first");
        await using var second = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var third = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var restored = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);

        await work.Tree("first").ReplayAsync(second.DataSource, Options, TestContext.Current.CancellationToken);
        await work.ExtractAsync(second.DataSource, "second", o => o.Kinds &= ~ObjectKinds.Database);
        await work.Tree("second").ReplayAsync(third.DataSource, Options, TestContext.Current.CancellationToken);
        await work.ExtractAsync(third.DataSource, "third", o => o.Kinds &= ~ObjectKinds.Database);
        await RestoreAsync(archive, restored.Name, work.Path("list"));
        await work.ExtractAsync(restored.DataSource, "restored", o => o.Kinds &= ~ObjectKinds.Database);

        work.Content("second").Should().Equal(work.Content("restored"));
        work.Content("third").Should().Equal(work.Content("second"));
    }

    [Fact]
    public async Task Verification_proves_the_whole_schema()
    {
        using var work = new ExtractionCase();
        await work.ExtractAsync(source.Database.DataSource, "tree");

        var report = await work.Extractor.VerifyAsync(work.Tree("tree"), source.Cluster.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        report.Differences.Select(d => d.UnifiedText).Should().BeEmpty();
        (await source.Cluster.ScalarAsync<long>("SELECT count(*) FROM pg_database WHERE datname LIKE 'omnipg_verify_%'", TestContext.Current.CancellationToken)).Should().Be(0);
    }

    [Fact]
    public async Task Composed_script_builds_the_same_database_with_psql()
    {
        using var work = new ExtractionCase();
        await work.ExtractAsync(source.Database.DataSource, "tree", o => o.Kinds &= ~(ObjectKinds.Subscriptions | ObjectKinds.Database));
        await using (var script = new StreamWriter(work.Path("all.sql"), false, new UTF8Encoding(false)))
            await work.Tree("tree").ComposeSqlAsync(script, TestContext.Current.CancellationToken);
        await using var target = await source.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);

        await PgTools.RunAsync(source.Cluster.Installation.Program("psql"), ["-X", "-q", "-v", "ON_ERROR_STOP=1", .. Connection(target.Name), "-f", work.Path("all.sql")]);
        var diff = await work.Tree("tree").DiffAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        diff.ToUnifiedText().Should().BeEmpty();
    }

    private Task<byte[]> PlainDumpAsync(string database, string[] arguments) =>
        PgTools.DumpAsync(source.Cluster, database, ["--restrict-key=k", "--no-subscriptions", .. arguments]);

    private async Task RestoreAsync(string archive, string database, string list)
    {
        var entries = Encoding.UTF8.GetString(await PgTools.ListAsync(source.Cluster, archive)).Split('\n').Where(line => !line.Contains("SUBSCRIPTION", StringComparison.Ordinal));
        await File.WriteAllLinesAsync(list, entries);
        await PgTools.RunAsync(source.Cluster.Installation.Program("pg_restore"), ["--exit-on-error", "-L", list, .. Connection(database), archive]);
    }

    private string[] Connection(string database) =>
        ["-h", "127.0.0.1", "-p", source.Cluster.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), "-U", "postgres", "-d", database];

    private sealed class FixedSecrets : ISecretResolver
    {
        // What the fixture uses, so that the restored archive is equal.
        public ValueTask<string?> ResolveAsync(SchemaEntry entry, string option, CancellationToken cancellationToken = default) => new(entry.Key switch
        {
            "USER MAPPING USER MAPPING public SERVER remote" => "public's secret",
            _ => "hunter2-secret",
        });
    }
}
