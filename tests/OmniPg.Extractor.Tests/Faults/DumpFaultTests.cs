using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Faults;

public sealed class DumpFaultTests(PgClusterFixture fixture)
{
    private const long BeforeTheEntries = 0;
    private const long WithinTheRows = 4 * 1024 * 1024;

    private const string OldSchema = "CREATE TABLE big AS SELECT i, repeat('x', 900) AS t FROM generate_series(1, 20000) i; CREATE TABLE kept (id integer); CREATE TABLE goes (id integer)";
    private const string NewSchema = "UPDATE big SET t = repeat('y', 900); DROP TABLE goes; CREATE TABLE comes (id integer); ALTER TABLE kept ADD note text";

    [Theory]
    [InlineData(BeforeTheEntries)]
    [InlineData(WithinTheRows)]
    public async Task Killed_pg_dump_leaves_the_old_tree(long afterBytes)
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var before = await WriteOldTreeAsync(work, database);
        var launcher = new InterruptingLauncher(afterBytes, static process =>
        {
            process.Kill();
            return Task.CompletedTask;
        });

        var act = () => RunAsync(launcher, database, work.Path("tree"));

        (await act.Should().ThrowAsync<PgDumpFailedException>()).Which.ExitCode.Should().Be(137);
        await ShouldBeAsBeforeAsync(work, before, launcher);
    }

    [Theory]
    [InlineData(BeforeTheEntries)]
    [InlineData(WithinTheRows)]
    public async Task Killed_backend_leaves_the_old_tree(long afterBytes)
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var before = await WriteOldTreeAsync(work, database);
        var launcher = new InterruptingLauncher(afterBytes, async _ => await Eventually.TrueAsync(
            () => fixture.Cluster.ScalarAsync<bool>(
                $"SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity WHERE datname = '{database.Name}' AND application_name = 'OmniPg.Extractor'"),
            "pg_dump's backend to be found", cancellationToken: TestContext.Current.CancellationToken));

        var act = () => RunAsync(launcher, database, work.Path("tree"));

        (await act.Should().ThrowAsync<PgDumpFailedException>()).Which.StderrTail.Should()
            .ContainAny("terminating connection due to administrator command", "server closed the connection unexpectedly");
        await ShouldBeAsBeforeAsync(work, before, launcher);
    }

    [Fact]
    public async Task Killed_server_leaves_the_old_tree()
    {
        using var work = new ExtractionCase();
        await using var cluster = await PgCluster.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var database = await cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var before = await WriteOldTreeAsync(work, database);
        var launcher = new InterruptingLauncher(WithinTheRows, async _ =>
        {
            cluster.KillHard();
            await cluster.WaitForExitAsync(TestContext.Current.CancellationToken);
        });

        var act = () => RunAsync(launcher, database, work.Path("tree"));

        (await act.Should().ThrowAsync<PgDumpFailedException>()).Which.StderrTail.Should().Contain("server closed the connection unexpectedly");
        await ShouldBeAsBeforeAsync(work, before, launcher);
        await cluster.StartAgainAsync(cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Cancelling_a_dump_at_any_byte_leaves_the_old_tree_and_no_process()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var before = await WriteOldTreeAsync(work, database);
        var random = new Random(5);

        for (var round = 0; round < 20; round++)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            var launcher = new InterruptingLauncher(random.Next((int)WithinTheRows), _ => stop.CancelAsync());

            var act = () => RunAsync(launcher, database, work.Path("tree"), stop.Token);

            await act.Should().ThrowAsync<OperationCanceledException>();
            await ShouldBeAsBeforeAsync(work, before, launcher);
        }
    }

    [Fact]
    public async Task Second_extraction_of_a_tree_is_refused_while_the_first_waits_for_rows_and_another_tree_is_free()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await WriteOldTreeAsync(work, database);
        var (reached, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var launcher = new InterruptingLauncher(WithinTheRows, async _ =>
        {
            reached.SetResult();
            await goOn.Task;
        });

        var first = RunAsync(launcher, database, work.Path("tree"));
        await Task.WhenAny(reached.Task, first);
        var second = () => work.ExtractAsync(database.DataSource, "tree");
        (await second.Should().ThrowAsync<TreeConflictException>()).WithMessage($"Another extraction is writing the tree '{work.Path("tree")}'.*");
        await work.ExtractAsync(database.DataSource, "other", o => (o.Data, o.StaleFiles) = (new DataOptions(), StaleFiles.Delete));
        goOn.SetResult();
        await first;

        work.Content("tree").Should().Equal(work.Content("other"));
        (await work.ExtractAsync(database.DataSource, "tree", o => o.Data = new DataOptions())).Changed.Should().BeEmpty();
    }

    [Fact]
    public async Task Locked_table_is_named_and_nothing_is_written()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var before = await WriteOldTreeAsync(work, database);
        await using var connection = await database.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var command = new Npgsql.NpgsqlCommand("LOCK TABLE kept", connection))
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        var impatient = new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools, LockTimeout = TimeSpan.FromMilliseconds(100) });

        var act = () => impatient.From(database.DataSource).RunAsync(work.Path("tree"), cancellationToken: TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<PgDumpFailedException>()).Which.LockedTables.Should().Contain("public.kept");
        await ShouldBeAsBeforeAsync(work, before, launcher: null);
    }

    [Fact]
    public async Task Flood_on_standard_error_stops_no_extraction_and_fills_no_report()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE t (id integer)", TestContext.Current.CancellationToken);
        var archive = await work.DumpAsync(fixture.Cluster, database.Name, "all.dump", "-s");
        FakeProgram.Create(work.Path("bin"), "pg_dump", fixture.Cluster.MajorVersion + ".99",
            $"i=0; while [ $i -lt 20000 ]; do echo \"pg_dump: warning: line $i that says little, again and again\"; i=$((i+1)); done >&2; cat '{archive}'");
        var extractor = new SchemaExtractor(new ExtractorOptions { Tools = new PgToolOptions { BinDirectory = work.Path("bin") } });

        var report = await extractor.From(database.DataSource).RunAsync(work.Path("tree"), cancellationToken: TestContext.Current.CancellationToken);

        report.Changed.Should().Contain(new TreeFile("tables/public.t.sql", FileStatus.Created));
        report.Warnings.Should().HaveCount(1000);
    }

    private static async Task<SortedDictionary<string, string>> WriteOldTreeAsync(ExtractionCase work, TestDatabase database)
    {
        await database.ExecuteAsync(OldSchema, TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree", o => o.Data = new DataOptions());
        await database.ExecuteAsync(NewSchema, TestContext.Current.CancellationToken);
        return work.Content("tree");
    }

    private static Task<ExtractionResult> RunAsync(IProcessLauncher launcher, TestDatabase database, string tree, CancellationToken? cancellationToken = null) =>
        new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools }, launcher: launcher).From(database.DataSource)
            .RunAsync(tree, new ExtractionOptions { Data = new DataOptions(), StaleFiles = StaleFiles.Delete }, cancellationToken: cancellationToken ?? TestContext.Current.CancellationToken);

    private static async Task ShouldBeAsBeforeAsync(ExtractionCase work, SortedDictionary<string, string> before, InterruptingLauncher? launcher)
    {
        work.Content("tree").Should().Equal(before);
        Directory.GetFileSystemEntries(work.Path(".")).Should().Equal(work.Path("./tree"));
        if (launcher is null)
            return;
        launcher.HasInterrupted.Should().BeTrue();
        await Eventually.TrueAsync(() => !IsRunning(launcher.ProcessId), "pg_dump to be gone", cancellationToken: TestContext.Current.CancellationToken);
    }

    private static bool IsRunning(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
