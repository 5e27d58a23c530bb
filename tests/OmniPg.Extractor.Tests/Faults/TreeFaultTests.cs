using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Faults;

public sealed class TreeFaultTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Cancelling_a_hundred_times_leaves_the_old_tree_or_the_new_one()
    {
        using var work = new ExtractionCase();
        var (old, next) = await ArchivesAsync(work);
        await work.ExtractAsync(old, "old");
        await work.ExtractAsync(next, "next", o => o.StaleFiles = StaleFiles.Delete);
        var (oldContent, newContent) = (work.Content("old"), work.Content("next"));
        var clock = Stopwatch.StartNew();
        await work.ExtractAsync(next, "tree");
        var whole = clock.Elapsed;
        var random = new Random(11);
        var cancelled = 0;

        for (var round = 0; round < 100; round++)
        {
            Directory.Delete(work.Path("tree"), recursive: true);
            await work.ExtractAsync(old, "tree");
            using var stop = new CancellationTokenSource(whole * random.NextDouble());
            try
            {
                await work.Extractor.FromArchive(next).RunAsync(work.Path("tree"), new ExtractionOptions { StaleFiles = StaleFiles.Delete }, null, stop.Token);
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }
            var content = work.Content("tree");
            (content.SequenceEqual(oldContent) || content.SequenceEqual(newContent)).Should().BeTrue("round {0} must not mix trees", round);
            Directory.GetFileSystemEntries(work.Path("."), ".tree*").Should().BeEmpty();
        }
        cancelled.Should().BeGreaterThan(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_writer_leaves_that_was_killed_while_it_tried_a_rename_goes_away_with_its_staging(bool byReading)
    {
        using var work = new ExtractionCase();
        var (old, _) = await ArchivesAsync(work);
        await work.ExtractAsync(old, "tree");
        var before = work.Content("tree");
        Directory.CreateDirectory(work.Path(".tree.omnipg-tmp-dead"));
        await File.WriteAllTextAsync(work.Path("tree/.omnipg-probe-dead"), "", TestContext.Current.CancellationToken);

        if (byReading)
            await work.Tree("tree").ReadAsync(TestContext.Current.CancellationToken);
        else
            await work.ExtractAsync(old, "tree");

        work.Content("tree").Should().Equal(before);
        Directory.GetFileSystemEntries(work.Path("."), ".tree*").Should().BeEmpty();
    }

    [Fact]
    public async Task Full_disk_leaves_the_old_tree()
    {
        using var mount = TmpfsMount.TryCreate(1024 * 1024);
        Assert.SkipUnless(mount is not null, "A tmpfs cannot be mounted here.");
        using var work = new ExtractionCase();
        var (old, next) = await ArchivesAsync(work);
        var tree = Path.Combine(mount!.Path, "tree");
        await work.Extractor.FromArchive(old).RunAsync(tree, cancellationToken: TestContext.Current.CancellationToken);
        var before = Directory.EnumerateFiles(tree, "*", SearchOption.AllDirectories).ToDictionary(f => f, File.ReadAllText);
        var filler = Path.Combine(mount.Path, "filler");
        Fill(filler);

        var act = () => work.Extractor.FromArchive(next).RunAsync(tree, cancellationToken: TestContext.Current.CancellationToken);

        await act.Should().ThrowAsync<IOException>();
        Directory.EnumerateFiles(tree, "*", SearchOption.AllDirectories).ToDictionary(f => f, File.ReadAllText).Should().Equal(before);
        File.Delete(filler);
        Directory.GetFileSystemEntries(mount.Path).Should().Equal(tree);
        (await work.Extractor.FromArchive(next).RunAsync(tree, cancellationToken: TestContext.Current.CancellationToken)).Changed.Should().NotBeEmpty();
    }

    [Fact]
    public async Task Two_runs_on_one_tree_exclude_each_other_and_two_on_different_trees_do_not()
    {
        using var work = new ExtractionCase();
        var (old, next) = await ArchivesAsync(work);
        await work.ExtractAsync(old, "tree");
        using var held = TreeTransaction.Begin(work.Path("tree"));

        var same = () => work.ExtractAsync(next, "tree");
        await work.ExtractAsync(next, "other");

        (await same.Should().ThrowAsync<TreeConflictException>()).WithMessage("Another extraction is writing the tree*");
    }

    [Fact]
    public async Task Missing_program_and_locked_table_touch_nothing()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE locked (id integer)", TestContext.Current.CancellationToken);
        var without = new SchemaExtractor(new ExtractorOptions { Tools = new PgToolOptions { BinDirectory = work.Path("nowhere") } });
        var impatient = new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools, LockTimeout = TimeSpan.FromMilliseconds(100) });

        var missing = () => without.From(database.DataSource).RunAsync(work.Path("a/tree"));
        (await missing.Should().ThrowAsync<PgToolNotFoundException>()).Which.Code.Should().Be("extractor.tool.not-found");
        await using var connection = await database.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var command = new Npgsql.NpgsqlCommand("LOCK TABLE locked", connection))
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        var locked = () => impatient.From(database.DataSource).RunAsync(work.Path("a/tree"));

        (await locked.Should().ThrowAsync<PgDumpFailedException>()).Which.Code.Should().Be("extractor.dump.lock-timeout");
        Directory.GetFileSystemEntries(work.Path(".")).Should().BeEmpty();
    }

    [Fact]
    public async Task Hostile_names_stay_below_the_tree_and_come_back_equal()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        string[] names = ["../../escape", "a\nb", "\"; DROP TABLE x; --", "con", "CON", "Con", "%2e", "-rf", "   ", new string('ü', 31), "🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘🐘",
            "t; Type: TABLE; Schema: s; Owner: o", "a\r\n--\n-- Name: x; Type: TABLE; Schema: s; Owner: o\n--\n", "null\\0", "~tilde", ".hidden", "'quote'"];
        foreach (var name in names)
        {
            var quoted = PgIdentifier.Create(name).Quoted;
            await database.ExecuteAsync($"CREATE TABLE {quoted} (id integer, {quoted} text); COMMENT ON TABLE {quoted} IS 'x'; CREATE INDEX ON {quoted} ({quoted}); "
                + $"CREATE FUNCTION {quoted}({quoted} integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'", TestContext.Current.CancellationToken);
        }

        var report = await work.ExtractAsync(database.DataSource, "tree");
        var verified = await work.Extractor.VerifyAsync(work.Tree("tree"), fixture.Cluster.DataSource, cancellationToken: TestContext.Current.CancellationToken);

        Directory.GetFileSystemEntries(work.Path(".")).Should().Equal(work.Path("./tree"));
        report.Files.Count(f => f.Path.StartsWith("tables/", StringComparison.Ordinal)).Should().Be(names.Length);
        verified.Differences.Select(d => d.UnifiedText).Should().BeEmpty();
        (await work.Tree("tree").ReadAsync(TestContext.Current.CancellationToken)).Warnings.Should().BeEmpty();
    }

    private static void Fill(string path)
    {
        using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        var block = new byte[4096];
        try
        {
            for (long at = 0; ; at += block.Length)
                RandomAccess.Write(file, block, at);
        }
        catch (IOException)
        {
            // Full: what was wanted.
        }
    }

    private async Task<(string Old, string Next)> ArchivesAsync(ExtractionCase work)
    {
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE format('CREATE TABLE t%s (id integer)', i); END LOOP; END $$", TestContext.Current.CancellationToken);
        var old = await work.DumpAsync(fixture.Cluster, database.Name, "old.dump", "-s");
        await database.ExecuteAsync("DO $$ BEGIN FOR i IN 1..20 LOOP EXECUTE format('DROP TABLE t%s', i); EXECUTE format('CREATE TABLE n%s (id integer)', i); "
            + "EXECUTE format('ALTER TABLE t%s ADD note text', i + 20); END LOOP; END $$", TestContext.Current.CancellationToken);
        return (old, await work.DumpAsync(fixture.Cluster, database.Name, "next.dump", "-s"));
    }
}
