using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Dumping;

public sealed class PgDumpRunnerTests(AllKindsDatabase all) : IClassFixture<AllKindsDatabase>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private PgDumpSource Source => PgDumpSource.FromConnectionString(all.Cluster.GetConnectionString(all.Name));

    [Fact]
    public async Task A_dump_is_read_while_it_is_made()
    {
        var file = _directory.Combine("same.dump");
        await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc", "-f", file);
        await using var run = await new PgDumpRunner(PgTools.Tools).StartAsync(Source, serverVersion: PgServerVersion.Of(all.Cluster.MajorVersion), cancellationToken: TestContext.Current.CancellationToken);

        var script = await ArchiveScript.ComposeAsync(run.Archive);
        var warnings = await run.CompleteAsync(TestContext.Current.CancellationToken);

        run.Archive.Header.Database.Should().Be(all.Name);
        warnings.Should().BeEmpty();
        ArchiveScript.ShouldEqual(script, await PgTools.RestoreAsync(all.Cluster, file));
    }

    [Fact]
    public async Task A_copy_of_the_archive_can_be_kept()
    {
        using var copy = new MemoryStream();
        await using (var run = await new PgDumpRunner(PgTools.Tools).StartAsync(Source, new PgDumpOptions { SchemaOnly = true }, copyTo: copy, cancellationToken: TestContext.Current.CancellationToken))
            await run.CompleteAsync(TestContext.Current.CancellationToken);
        var file = _directory.Combine("kept.dump");
        await File.WriteAllBytesAsync(file, copy.ToArray(), TestContext.Current.CancellationToken);

        var script = await ArchiveScript.ComposeAsync(file);

        ArchiveScript.ShouldEqual(script, await PgTools.RestoreAsync(all.Cluster, file));
    }

    [Fact]
    public async Task Warnings_are_typed()
    {
        await using var database = await all.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY REFERENCES a); ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b", TestContext.Current.CancellationToken);
        await using var run = await new PgDumpRunner(PgTools.Tools).StartAsync(PgDumpSource.FromConnectionString(database.ConnectionString), new PgDumpOptions { ExtraArguments = ["--data-only"] }, cancellationToken: TestContext.Current.CancellationToken);

        var warnings = await run.CompleteAsync(TestContext.Current.CancellationToken);

        var warning = warnings.Should().ContainSingle().Which;
        warning.Kind.Should().Be(PgDumpWarningKind.CircularForeignKeys);
        warning.Message.Should().Be("there are circular foreign-key constraints among these tables:");
        warning.Details.Should().StartWith(["a", "b"]);
    }

    [Fact]
    public async Task A_locked_table_is_named()
    {
        await using var connection = await all.Database.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await new Npgsql.NpgsqlCommand("LOCK TABLE app.cache IN ACCESS EXCLUSIVE MODE", connection, transaction).ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        var act = () => new PgDumpRunner(PgTools.Tools).StartAsync(Source, new PgDumpOptions { LockTimeout = TimeSpan.FromMilliseconds(100) }, cancellationToken: TestContext.Current.CancellationToken);

        var error = (await act.Should().ThrowAsync<PgDumpFailedException>()).Which;
        error.Code.Should().Be("extractor.dump.lock-timeout");
        error.LockedTables.Should().Contain("app.cache");
        error.IsTransient.Should().BeTrue();
    }

    [Theory]
    [InlineData("Database", "no such database", "does not exist")]
    [InlineData("Port", "1", "Connection refused")]
    public async Task A_connection_that_fails_says_why(string setting, string value, string reason)
    {
        var source = PgDumpSource.FromConnectionString($"{all.Cluster.GetConnectionString()};{setting}={value}");

        var act = () => new PgDumpRunner(PgTools.Tools).StartAsync(source, cancellationToken: TestContext.Current.CancellationToken);

        var error = (await act.Should().ThrowAsync<PgDumpFailedException>()).Which;
        error.Code.Should().Be("extractor.dump.failed");
        error.ExitCode.Should().Be(1);
        error.StderrTail.Should().Contain(reason);
    }

    [Fact]
    public async Task Roles_come_without_their_passwords_unless_wanted()
    {
        await all.Cluster.ExecuteAsync("DO $$ BEGIN CREATE ROLE roles_test LOGIN PASSWORD 'roles-secret'; EXCEPTION WHEN duplicate_object THEN NULL; END $$", TestContext.Current.CancellationToken);

        var without = await new PgDumpRunner(PgTools.Tools).DumpRolesAsync(Source, cancellationToken: TestContext.Current.CancellationToken);
        var with = await new PgDumpRunner(PgTools.Tools).DumpRolesAsync(Source, includePasswords: true, cancellationToken: TestContext.Current.CancellationToken);

        without.Should().Contain("CREATE ROLE roles_test;").And.NotMatchRegex("(?m)^(CREATE|ALTER) ROLE .*PASSWORD");
        with.Should().Contain("PASSWORD 'SCRAM-SHA-256$");
    }

    [Fact]
    public async Task Cancelling_ends_pg_dump_and_all_it_started()
    {
        var pidFile = _directory.Combine("pids");
        var runner = Fake($"sleep 300 & echo $! > '{pidFile}'; wait");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

        var act = runner.StartAsync(Source, cancellationToken: stop.Token);
        await Eventually.TrueAsync(() => File.Exists(pidFile) && new FileInfo(pidFile).Length > 1, "the child to start", cancellationToken: TestContext.Current.CancellationToken);
        await stop.CancelAsync();

        await act.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        var child = int.Parse(await File.ReadAllTextAsync(pidFile, TestContext.Current.CancellationToken), System.Globalization.CultureInfo.InvariantCulture);
        await Eventually.TrueAsync(() => !IsRunning(child), "the child to end", cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_dump_that_is_killed_half_way_is_reported_and_not_taken_for_a_damaged_archive()
    {
        var whole = await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc", "-Z0");
        var half = _directory.Combine("half");
        await File.WriteAllBytesAsync(half, whole[..(whole.Length - 200)], TestContext.Current.CancellationToken);
        await using var run = await Fake($"cat '{half}'; kill -9 $$").StartAsync(Source, cancellationToken: TestContext.Current.CancellationToken);

        var act = () => ArchiveScript.ComposeAsync(run.Archive);

        var error = (await act.Should().ThrowAsync<PgDumpFailedException>()).Which;
        error.ExitCode.Should().Be(137);
        error.Hint.Should().Contain("killed by a signal");
    }

    [Fact]
    public async Task A_dump_that_fails_before_its_table_of_contents_is_whole_is_reported()
    {
        var whole = await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc", "--schema-only");
        var part = _directory.Combine("part");
        await File.WriteAllBytesAsync(part, whole[..1000], TestContext.Current.CancellationToken);

        var act = () => Fake($"cat '{part}'; echo 'pg_dump: error: server closed the connection unexpectedly' >&2; exit 1").StartAsync(Source, cancellationToken: TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<PgDumpFailedException>()).Which.StderrTail.Should().Be("pg_dump: error: server closed the connection unexpectedly");
    }

    [Fact]
    public async Task A_flood_on_standard_error_blocks_nothing_and_its_end_is_kept()
    {
        var act = () => Fake("i=0; while [ $i -lt 40000 ]; do echo 'pg_dump: warning: a line that says little, again and again'; i=$((i+1)); done >&2; echo 'pg_dump: error: the end' >&2; exit 1").StartAsync(Source, cancellationToken: TestContext.Current.CancellationToken);

        var error = (await act.Should().ThrowAsync<PgDumpFailedException>()).Which;
        error.StderrTail.Should().EndWith("pg_dump: error: the end");
        error.StderrTail.Length.Should().BeLessThanOrEqualTo(8192);
    }

    [Fact]
    public async Task A_version_mismatch_that_pg_dump_finds_is_typed()
    {
        var act = () => Fake("echo 'pg_dump: error: aborting because of server version mismatch' >&2; echo 'pg_dump: detail: server version: 17.2; pg_dump version: 15.3' >&2; exit 1").StartAsync(Source, cancellationToken: TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<PgToolNotFoundException>()).Which.ServerVersion.Should().Be(PgServerVersion.Of(17, 2));
    }

    [Fact]
    public async Task A_race_with_concurrent_ddl_is_tried_once_more()
    {
        var archive = _directory.Combine("archive");
        await File.WriteAllBytesAsync(archive, await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc", "--schema-only"), TestContext.Current.CancellationToken);
        var mark = _directory.Combine("mark");
        var runner = Fake($"if [ -e '{mark}' ]; then cat '{archive}'; else touch '{mark}'; echo 'pg_dump: error: query failed: ERROR:  cache lookup failed for relation 16999' >&2; exit 1; fi");

        await using var run = await runner.StartAsync(Source, cancellationToken: TestContext.Current.CancellationToken);

        run.Archive.Entries.Should().NotBeEmpty();
        File.Delete(mark);
        var without = () => runner.StartAsync(Source, new PgDumpOptions { Retries = 0 }, cancellationToken: TestContext.Current.CancellationToken);
        await without.Should().ThrowAsync<PgDumpFailedException>();
    }

    [Fact]
    public async Task A_server_that_dies_is_reported()
    {
        await using var cluster = await PgCluster.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        await cluster.ExecuteAsync("CREATE TABLE big AS SELECT repeat('x', 900) AS t FROM generate_series(1, 20000)", TestContext.Current.CancellationToken);
        await using var run = await new PgDumpRunner(PgTools.Tools).StartAsync(PgDumpSource.FromConnectionString(cluster.ConnectionString), cancellationToken: TestContext.Current.CancellationToken);
        cluster.KillHard();

        var act = () => run.CompleteAsync(TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<PgDumpFailedException>()).Which.ExitCode.Should().Be(1);
    }

    public void Dispose() => _directory.Dispose();

    private PgDumpRunner Fake(string body)
    {
        FakeProgram.Create(_directory.Combine("bin"), "pg_dump", "15.3", body);
        return new PgDumpRunner(new PgToolOptions { BinDirectory = _directory.Combine("bin") });
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
