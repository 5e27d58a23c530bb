using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Administration;

public sealed class PurgeTests(PgClusterFixture server)
{
    private const string TenThousandOld =
        """
        INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid)
            SELECT 'me', 'JOB ' || g % 7, now() - interval '100 d', now() - interval '100 d', CASE WHEN g % 10 = 0 THEN 'CRITICAL' ELSE 'OK' END, 1
            FROM generate_series(1, 10000) g;
        INSERT INTO S.job_detail (job_id, action, start_time) SELECT job_id, 'step', start_time FROM S.job_log;
        INSERT INTO omnipg_jobmon.run (job_id) SELECT job_id FROM S.job_log;
        INSERT INTO omnipg_jobmon.step (step_id, job_id) SELECT step_id, job_id FROM S.job_detail;
        INSERT INTO omnipg_jobmon.log_line (job_id, seq, ts, level) SELECT job_id, 1, now(), 0 FROM S.job_log;
        INSERT INTO S.job_check_log (job_id, job_name) VALUES (1, 'JOB 1');
        """;

    [Fact]
    public async Task Ten_thousand_old_runs_go_and_live_ones_and_alerts_stay()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(TenThousandOld);
        await using var worker = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        for (var i = 0; i < 3; i++)
            await log.RowsAsync(worker, $"SELECT S.add_job('live {i}')");
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        using var process = jobmon.Start("live process");
        var progress = new List<long>();

        var result = await log.Admin.PurgeAsync(
            new PurgeOptions { OlderThan = TimeSpan.Zero }, new InlineProgress(progress.Add), TestContext.Current.CancellationToken);

        result.DeletedJobs.Should().Be(10_000);
        result.Batches.Should().Be(2);
        progress.Should().Equal(5_000, 10_000);
        (await log.RowsAsync("SELECT job_name FROM S.job_log ORDER BY job_id")).Should().Equal("LIVE 0", "LIVE 1", "LIVE 2", "LIVE PROCESS", "PURGING PG_JOBMON JOB LOGS");
        (await log.RowsAsync("SELECT status, message FROM S.job_detail")).Should().Equal("OK|Deleted 10000 rows from job_log and associated rows in job_detail");
        (await log.RowsAsync("SELECT (SELECT count(*) FROM omnipg_jobmon.run), (SELECT count(*) FROM omnipg_jobmon.step), (SELECT count(*) FROM omnipg_jobmon.log_line)"))
            .Should().Equal("1|0|0");
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_check_log")).Should().Be(1);
        process.Complete();
    }

    [Fact]
    public async Task Runs_are_kept_by_count_and_failures_longer()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(
            "INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid) SELECT 'me', n, now() - interval '1 d', now(), CASE WHEN g = 2 THEN 'CRITICAL' ELSE 'OK' END, 1 "
            + "FROM generate_series(1, 5) g, unnest(ARRAY['A', 'B']) n ORDER BY n, g");

        var result = await log.Admin.PurgeAsync(
            new PurgeOptions { KeepPerJob = 2, KeepFailuresFor = TimeSpan.FromDays(30), BatchSize = 3, LogAsJob = false }, null, TestContext.Current.CancellationToken);

        result.Should().Be(new PurgeResult(4, 2, null));
        (await log.RowsAsync("SELECT job_name, job_id, status FROM S.job_log ORDER BY job_id")).Should().Equal(
            "A|2|CRITICAL", "A|4|OK", "A|5|OK", "B|7|CRITICAL", "B|9|OK", "B|10|OK");
    }

    [Theory]
    [InlineData("rule", false)]
    [InlineData("rule", true)]
    [InlineData("schedule", false)]
    [InlineData("schedule", true)]
    public async Task What_an_active_rule_looks_at_is_never_purged(string kind, bool bySql)
    {
        var stop = TestContext.Current.CancellationToken;
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(
            """
            INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid) SELECT 'me', n, now() - a, now() - a + e, CASE WHEN e IS NOT NULL THEN 'OK' END, 1
            FROM (VALUES ('DAILY', interval '40 h', interval '1 h'), ('DAILY', '20 h', '1 h'), ('DAILY', '19 h', NULL),
                ('OFF', '20 h', '1 h'), ('PLAIN', '20 h', '1 h')) AS r (n, a, e)
            """);
        await (kind == "rule" ? log.Admin.Rule("daily").Warn("26 hours").Error("30 hours") : log.Admin.Rule("daily").Schedule("* * * * *")).ActivateAsync(stop);
        await log.Admin.Rule("off").Warn("26 hours").Error("30 hours").DeactivateAsync(stop);

        if (bySql)
            await log.ExecuteAsync("SELECT S.job_log_clear('12 hours')");
        else
            await log.Admin.PurgeAsync(new PurgeOptions { OlderThan = "12 hours", KeepPerJob = 50, LogAsJob = false }, null, stop);

        (await log.RowsAsync("SELECT job_name, (extract(epoch FROM now() - start_time) / 3600)::int FROM S.job_log WHERE job_name NOT LIKE 'PURGING%' ORDER BY 1, 2"))
            .Should().Equal("DAILY|19", "DAILY|20");
        if (kind == "rule")
            (await log.Monitor.CheckAsync(cancellationToken: stop)).Alerts.Should().NotContain(a => a.Status == JobAlertStatus.Missing);
    }

    [Fact]
    public async Task Of_two_purges_at_once_one_deletes_and_the_other_says_so()
    {
        var stop = TestContext.Current.CancellationToken;
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(TenThousandOld);
        var purge = new PurgeOptions { OlderThan = TimeSpan.FromDays(1), BatchSize = 1_000 };
        await using var holder = await log.DataSource.OpenConnectionAsync(stop);
        await using var batch = await holder.BeginTransactionAsync(stop);

        var first = await log.Admin.PurgeAsync(
            purge,
            new InlineProgress(deleted =>
            {
                if (deleted != 3_000)
                    return;
                // The other process is in the middle of a batch when the fourth one begins here.
                using var command = new Npgsql.NpgsqlCommand("SELECT pg_advisory_xact_lock(hashtextextended('omnipg_jobmon.purge \"jobmon\"', 0))", holder);
                command.ExecuteNonQuery();
            }),
            stop);
        var second = await log.Admin.PurgeAsync(purge, null, stop);
        await batch.RollbackAsync(stop);
        var third = await log.Admin.PurgeAsync(purge, null, stop);

        first.Should().Be(new PurgeResult(3_000, 3, first.JobId) { AnotherAtWork = true });
        second.Should().Be(new PurgeResult(0, 0, null) { AnotherAtWork = true }, "it does not even log itself");
        (third.DeletedJobs, third.AnotherAtWork).Should().Be((7_000, false));
    }

    [Fact]
    public async Task A_purge_without_a_limit_or_with_a_wrong_interval_is_refused()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);

        var none = () => log.Admin.PurgeAsync(new PurgeOptions(), null, TestContext.Current.CancellationToken);
        var negative = () => log.Admin.PurgeAsync(
            new PurgeOptions { OlderThan = "-90 days", KeepPerJob = 0, KeepFailuresFor = TimeSpan.FromTicks(-10), BatchSize = 0 }, null, TestContext.Current.CancellationToken);
        var wrong = () => new PurgeOptions { OlderThan = "soon" };

        await none.Should().ThrowAsync<OptionsValidationException>().WithMessage("The purge says of no run that it goes: set PurgeOptions.OlderThan or KeepPerJob.");
        (await negative.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().Equal(
            "OlderThan '-90 days' must not be negative.", "KeepPerJob '0' must be at least '1'.", "KeepFailuresFor '-00:00:00.000001' must not be negative.",
            "BatchSize '0' must be between '1' and '100000'.");
        wrong.Should().Throw<FormatException>().WithMessage("*'soon'*");
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log")).Should().Be(0, "a mistake of the caller is no failed run");
    }

    private sealed class InlineProgress(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }
}
