using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Common;

/// <summary>Each write of the program to its output or its messages fails in turn: nothing is unhandled, the work is done all the same, and it decides the exit code.</summary>
public sealed class WriteFaultTests(PgClusterFixture server, WriteFaultTests.Prepared prepared) : IClassFixture<WriteFaultTests.Prepared>, IDisposable
{
    private readonly TemporaryDirectory _root = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _root.Dispose();

    [Theory]
    [InlineData("out", 2, 0, "jobmon show", "true")]
    [InlineData("out", 3, 0, "jobmon check --format nagios", "true")]
    [InlineData("out", 2, 0, "jobmon run reading --sql SELECT~1", "(SELECT count(*) = 1 FROM jobmon.job_log WHERE job_name = 'READING' AND status = 'OK')")]
    [InlineData("out", 7, 7, "jobmon exec reading -- sh -c echo~one;exit~7", "(SELECT count(*) = 1 FROM jobmon.job_log WHERE job_name = 'READING' AND status = 'CRITICAL')")]
    [InlineData("out", 2, 0, "partman maintain events", "(SELECT count(*) = 3 FROM pg_inherits WHERE inhparent = 'events'::regclass)")]
    [InlineData("out", 2, 0, "mimeo refresh orders", "(SELECT count(*) = 100 FROM orders)")]
    [InlineData("out", 2, 0, "extract TREE", "true")]
    [InlineData("err", 7, 7, "jobmon exec reading -- sh -c echo~one>&2;exit~7", "(SELECT count(*) = 1 FROM jobmon.job_log WHERE job_name = 'READING' AND status = 'CRITICAL')")]
    [InlineData("err", 2, 2, "jobmon run reading --sql SELECT~1/0", "(SELECT count(*) = 1 FROM jobmon.job_log WHERE job_name = 'READING' AND status = 'CRITICAL')")]
    [InlineData("err", 2, 2, "jobmon show --connection Host=127.0.0.1;Port=1;Username=u;Timeout=1", "true")]
    [InlineData("err", 1, 1, "partman maintain", "(SELECT count(*) = 3 FROM pg_inherits WHERE inhparent = 'events'::regclass)")]
    [InlineData("err", 2, 2, "mimeo refresh nowhere orders", "(SELECT count(*) = 100 FROM orders)")]
    [InlineData("out", 3, 3, "jobmon check --format nagios --connection Host=127.0.0.1;Port=1;Username=u;Timeout=1", "true")]
    [InlineData("err", 64, 64, "partman nonsense", "true")]
    public async Task A_write_that_fails_is_handled_whichever_it_is(string stream, int lost, int done, string call, string truth)
    {
        Assert.SkipUnless(FailingWrites.IsPossible, "strace is not installed, or may not trace here.");
        foreach (var (error, when) in FailingWrites.Faults)
        {
            await using var database = await server.Cluster.CreateDatabaseAsync(template: prepared.Template, cancellationToken: Stop);

            var (exitCode, told) = await RunAsync(database, stream, error, when, call);

            // A reader that has gone away had as much as it wanted; a second write of a short product is none.
            var codes = error == "EPIPE" ? [done] : when == "1" ? [lost] : (int[])[lost, done];
            exitCode.Should().BeOneOf(codes, "write {0} of {1} failed with {2}: {3}", when, stream, error, told);
            told.Should().NotContain("Unhandled").And.NotContain("   at ");
            (await database.ScalarAsync<bool>($"SELECT {truth}", Stop)).Should().BeTrue("write {0} of {1} failed with {2}", when, stream, error);
        }
    }

    private async Task<(int ExitCode, string Told)> RunAsync(TestDatabase database, string stream, string error, string when, string call)
    {
        var (output, messages) = (_root.Combine("out"), _root.Combine("err"));
        foreach (var file in (string[])[output, messages])
            await File.WriteAllTextAsync(file, "", Stop);
        var words = call.Split(' ').Select(word => word.Replace('~', ' ') switch
        {
            "TREE" => _root.Combine(Path.GetRandomFileName()),
            var plain => plain,
        });
        using var program = FailingWrites.Start(
            _root.Combine(stream), error, when, output, messages, CliProcess.Location, words,
            new Dictionary<string, string> { ["OMNIPG_CONNECTION"] = database.ConnectionString });
        await program.WaitForExitAsync(Stop);
        return (program.ExitCode, await File.ReadAllTextAsync(messages, Stop));
    }

    /// <summary>A database in which every package has something to do, copied for each run.</summary>
    public sealed class Prepared(PgClusterFixture server) : IAsyncLifetime
    {
        private TestDatabase? _source;
        private TestDatabase? _template;

        public string Template => _template!.Name;

        public async ValueTask InitializeAsync()
        {
            _source = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
            await _source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY)", Stop);
            _template = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
            await using var cli = new CliRunner(null);
            cli.Variables["OMNIPG_CONNECTION"] = _template.ConnectionString + ";Pooling=false";
            await _template.ExecuteAsync("CREATE TABLE events (id int NOT NULL) PARTITION BY RANGE (id); CREATE TABLE full_ones (LIKE events) PARTITION BY RANGE (id)", Stop);
            foreach (var line in (string[])
            [
                "jobmon install", "jobmon run before --sql SELECT~1", "partman create events --control id --interval 10 --premake 1 --no-default", "partman create full_ones --control id --interval 10 --premake 1",
                $"mimeo source add erp --source-connection {_source.ConnectionString.Replace(' ', '~')}", "mimeo create table orders --from erp",
            ])
                (await cli.RunAsync([.. line.Split(' ').Select(word => word.Replace('~', ' '))])).ExitCode.Should().Be(0, line);
            await _source.ExecuteAsync("INSERT INTO orders SELECT generate_series(1, 100)", Stop);
            // One set has partitions to come, the other one rows in the way of them.
            await _template.ExecuteAsync("INSERT INTO events VALUES (15); INSERT INTO full_ones VALUES (15), (25)", Stop);
            await _template.DataSource.DisposeAsync();
        }

        public async ValueTask DisposeAsync()
        {
            if (_template is not null)
                await _template.DisposeAsync();
            if (_source is not null)
                await _source.DisposeAsync();
        }
    }
}
