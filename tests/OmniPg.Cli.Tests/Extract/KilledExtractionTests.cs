using System.Diagnostics;
using OmniPg.Extractor;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Extract;

public sealed class KilledExtractionTests(PgClusterFixture fixture) : IClassFixture<PgClusterFixture>
{
    private const int Rounds = 100;

    // A run uses one processor at a time.
    private const int SideBySide = 3;

    [Fact]
    public async Task A_hundred_killed_extractions_leave_the_old_tree_or_the_new_one()
    {
        Assert.SkipUnless(File.Exists(CliProcess.Location) && !OperatingSystem.IsWindows(), "The program omnipg is not beside the tests.");
        using var work = new TemporaryDirectory();
        string[] archives = await ArchivesAsync(work);
        var contents = new List<SortedDictionary<string, string>>();
        foreach (var archive in archives)
        {
            await new SchemaExtractor().FromArchive(archive).RunAsync(work.Combine("expected", Path.GetFileName(archive)), cancellationToken: TestContext.Current.CancellationToken);
            contents.Add(Content(work.Combine("expected", Path.GetFileName(archive))));
        }
        var killed = await Task.WhenAll(Enumerable.Range(0, SideBySide).Select(worker => KillAsync(archives, contents, work.Combine("work", $"tree{worker}"), worker)));

        killed.Sum().Should().BeGreaterThan(0);
    }

    // One tree and its extractions, one after another; returns how many were killed.
    private static async Task<int> KillAsync(string[] archives, List<SortedDictionary<string, string>> contents, string tree, int worker)
    {
        await ExtractAsync(archives[0], tree, TimeSpan.FromMinutes(1));
        var clock = Stopwatch.StartNew();
        await ExtractAsync(archives[1], tree, TimeSpan.FromMinutes(1));
        var whole = clock.Elapsed;
        var random = new Random(23 + worker);
        var (killed, at) = (0, 1);
        for (var round = worker; round < Rounds; round += SideBySide)
        {
            var ended = await ExtractAsync(archives[1 - at], tree, whole * (1.1 * random.NextDouble()));
            killed += ended ? 0 : 1;
            await new SchemaTree(tree).ReadAsync(TestContext.Current.CancellationToken);
            var content = Content(tree);
            var found = contents.FindIndex(expected => expected.SequenceEqual(content));
            found.Should().BeGreaterThanOrEqualTo(0, "round {0} must not mix trees", round);
            at = found;
        }
        return killed;
    }

    private static async Task<bool> ExtractAsync(string archive, string tree, TimeSpan patience)
    {
        using var process = Process.Start(new ProcessStartInfo(CliProcess.Location, ["extract", "--from-archive", archive, tree, "--delete-stale"])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        using var limit = new CancellationTokenSource(patience);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // SIGKILL: nothing in the program can react.
            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
        await output;
        return process.ExitCode == 0;
    }

    private static SortedDictionary<string, string> Content(string tree) => new(
        Directory.EnumerateFiles(tree, "*", SearchOption.AllDirectories).ToDictionary(f => Path.GetRelativePath(tree, f), File.ReadAllText), StringComparer.Ordinal);

    private async Task<string[]> ArchivesAsync(TemporaryDirectory work)
    {
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var archives = new[] { work.Combine("one.dump"), work.Combine("two.dump") };
        foreach (var archive in archives)
        {
            await database.ExecuteAsync("DO $$ BEGIN FOR i IN 1..150 LOOP EXECUTE format('CREATE TABLE %I (id integer)', gen_random_uuid()); END LOOP; "
                + "FOR i IN 1..50 LOOP EXECUTE format('DROP TABLE %s', (SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LIMIT 1)); END LOOP; END $$", TestContext.Current.CancellationToken);
            await new SchemaExtractor().From(database.DataSource).RunAsync(work.Combine("scratch"), new ExtractionOptions { KeepArchive = archive }, cancellationToken: TestContext.Current.CancellationToken);
        }
        return archives;
    }
}
