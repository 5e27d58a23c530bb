using Npgsql;
using OmniPg.Jobmon;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Jobmon;

/// <summary>What <c>jobmon top</c> costs the server.</summary>
public sealed class TopReaderTests(PgClusterFixture server)
{
    private readonly Guid _run = Guid.NewGuid();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(40)]
    public async Task One_reading_is_three_statements_however_many_jobs_are_at_work(int jobs)
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        await cli.Database.ExecuteAsync(
            $"""
            INSERT INTO omnipg_jobmon.session (session_id, lock_key, client_name, heartbeat_at) VALUES (gen_random_uuid(), 1, 'etl', now() + interval '1 h');
            INSERT INTO jobmon.job_log (owner, job_name, start_time, pid) SELECT 'etl', 'JOB ' || g, now(), 1 FROM generate_series(1, {jobs}) g;
            INSERT INTO omnipg_jobmon.run (job_id, session_id, display_name) SELECT job_id, session_id, lower(job_name) FROM jobmon.job_log, omnipg_jobmon.session;
            INSERT INTO jobmon.job_detail (job_id, action, start_time, end_time, status) SELECT job_id, 'ended', now(), now(), 'OK' FROM jobmon.job_log;
            INSERT INTO jobmon.job_detail (job_id, action, start_time) SELECT job_id, 'open', now() FROM jobmon.job_log;
            """, Stop);
        // No other database of this server logs its statements; sessions that are open already do not notice.
        await cli.Database.ExecuteAsync($"ALTER DATABASE \"{cli.Database.Name}\" SET log_statement = 'all'", Stop);
        await using var source = NpgsqlDataSource.Create(cli.Database.ConnectionString);
        await using var jobmon = new JobmonClient(source);
        var reader = new TopReader(jobmon, TimeSpan.FromHours(1));
        await reader.ReadAsync(100, 10, Stop);
        await StatementsUntilAsync(source, "before");

        var snapshot = await reader.ReadAsync(100, 10, Stop);

        snapshot.Running.Should().HaveCount(jobs).And.OnlyContain(run => run.Steps.Count == 1 && run.Steps[0].Step.Action == "open");
        var statements = await StatementsUntilAsync(source, "after");
        statements.Where(line => !IsFrame(line)).Should().HaveCount(3);
        // Each stands in a transaction that takes its settings with it: BEGIN, set_config, and ROLLBACK, as nothing was written.
        statements.Where(IsFrame).Should().HaveCount(9);

        static bool IsFrame(string line) => line.Contains(": BEGIN", StringComparison.Ordinal) || line.Contains(": ROLLBACK", StringComparison.Ordinal)
            || line.Contains(": SELECT pg_catalog.set_config(", StringComparison.Ordinal);
    }

    /// <summary>Statements of this database since the mark before, without those with which the driver resets a session.</summary>
    private async Task<string[]> StatementsUntilAsync(NpgsqlDataSource source, string mark)
    {
        await using (var command = source.CreateCommand($"SELECT current_database() || ' {mark} {_run}'"))
            await command.ExecuteNonQueryAsync(Stop);
        await Eventually.TrueAsync(() => Log().Any(line => IsMark(line, mark)), "the statement in the log", cancellationToken: Stop);
        return [.. Log().SkipWhile(line => !IsMark(line, "before")).Skip(1).TakeWhile(line => !IsMark(line, mark))
            .Where(line => (line.Contains("LOG:  execute", StringComparison.Ordinal) || line.Contains("LOG:  statement:", StringComparison.Ordinal))
                && !line.Contains("DISCARD", StringComparison.Ordinal))];

        string[] Log() => server.Cluster.ReadLog().Split('\n');
        bool IsMark(string line, string which) => line.Contains($"current_database() || ' {which} {_run}'", StringComparison.Ordinal);
    }
}
