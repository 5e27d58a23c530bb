using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Monitoring;

/// <summary>Rules that need the side schema: DIED of a process, OVERDUE, TOO_FAST, STALLED, schedules, muting, reaping.</summary>
public sealed class SideRuleTests(PgClusterFixture server)
{
    private const string Process =
        """
        INSERT INTO omnipg_jobmon.session (session_id, lock_key, client_name, host, os_pid, heartbeat_at)
        VALUES ('00000000-0000-0000-0000-000000000001', 4711, 'etl', 'box', 42, '2026-01-02 03:04:05Z');
        INSERT INTO S.job_log (job_id, owner, job_name, start_time, pid) VALUES (1, 'me', 'A', now() - interval '10 min', 1);
        INSERT INTO S.job_detail (job_id, step_id, action, start_time, status, end_time, message)
        VALUES (1, 1, 'first', now() - interval '10 min', 'OK', now(), 'done'), (1, 2, 'second', now() - interval '10 min', 'PENDING', now(), '50 of 100');
        SELECT setval('S.job_log_job_id_seq', 10), setval('S.job_detail_step_id_seq', 10);
        INSERT INTO omnipg_jobmon.run (job_id, session_id) VALUES (1, '00000000-0000-0000-0000-000000000001');
        """;

    [Fact]
    public async Task A_dead_process_is_reported_once_and_its_run_closed_as_failed()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("ALTER DATABASE \"" + log.Name + "\" SET TimeZone = 'UTC'");
        log.DataSource.Clear();
        await log.ExecuteAsync(Process);

        var first = await log.Monitor.CheckAsync(cancellationToken: TestContext.Current.CancellationToken);
        var second = await log.Monitor.CheckAsync(cancellationToken: TestContext.Current.CancellationToken);

        first.Alerts.Should().ContainSingle().Which.Should().BeEquivalentTo(new
        {
            Level = AlertLevel.Critical, Status = JobAlertStatus.Died, JobName = "A", AlertText = "etl on box (process 42) last seen 2026-01-02 03:04:05+00",
        });
        second.Alerts.Should().ContainSingle().Which.Status.Should().Be(JobAlertStatus.Ok);
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail ORDER BY step_id")).Should().Equal(
            "first|OK|done",
            "second|CRITICAL|DIED: etl on box (process 42) last seen 2026-01-02 03:04:05+00\n50 of 100");
        (await log.RowsAsync("SELECT status, (SELECT count(*) FROM S.job_check_log) FROM S.job_log")).Should().Equal("CRITICAL|1");
        (await log.Admin.ReapAsync(TestContext.Current.CancellationToken)).Should().Be(0);
    }

    [Fact]
    public async Task A_process_that_holds_its_lock_is_alive_without_a_heartbeat()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(Process);
        await using var control = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await log.RowsAsync(control, "SELECT pg_advisory_lock(hashtext('omnipg_jobmon'), 4711)");

        var report = await log.Monitor.CheckAsync(cancellationToken: TestContext.Current.CancellationToken);

        report.Worst.Should().Be(AlertLevel.Ok);
        report.RunningJobs.Should().Be(1);
        (await log.Admin.ReapAsync(TestContext.Current.CancellationToken)).Should().Be(0);
        (await log.RowsAsync("SELECT job_name FROM S.show_running()")).Should().Equal("A");
    }

    [Fact]
    public async Task Concurrent_reapers_close_a_run_exactly_once()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(Process);

        var reaped = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => log.Admin.ReapAsync(TestContext.Current.CancellationToken)));

        reaped.Sum().Should().Be(1);
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_check_log")).Should().Be(1);
    }

    [Fact]
    public async Task Crash_loops_count_as_failures()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("INSERT INTO S.job_log (owner, job_name, start_time, pid) SELECT 'me', 'A', now() - g * interval '1 min', 1 FROM generate_series(1, 3) g");

        (await log.RowsAsync("SELECT alert_code, alert_status, alert_text ~ '\\(3 runs\\)$' FROM S.check_job_status()")).Should().Equal("3|DIED|t");
        (await log.Admin.ReapAsync(TestContext.Current.CancellationToken)).Should().Be(0);
        (await log.Admin.ReapForeignAsync(TestContext.Current.CancellationToken)).Should().Be(3);

        (await log.RowsAsync("SELECT alert_status, alert_text FROM S.check_job_status()")).Should().Equal("FAILED_RUN|3 consecutive CRITICAL runs");
    }

    [Fact]
    public async Task Overdue_too_fast_and_stalled_runs_are_reported()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(Process + "UPDATE omnipg_jobmon.session SET heartbeat_at = now() + interval '1 h';"
            + "INSERT INTO omnipg_jobmon.step (step_id, job_id, current, progress_at) VALUES (2, 1, 50, now() - interval '6 min');"
            + "INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid) VALUES ('me', 'B', now() - interval '2 s', now(), 'OK', 1);"
            + "INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid) SELECT 'me', 'A', now() - interval '1 d', now() - interval '1 d' + interval '3 min', 'OK', 1 FROM generate_series(1, 5)");
        var stop = TestContext.Current.CancellationToken;
        await log.Admin.Rule("a").MaxRuntime(TimeSpan.FromMinutes(9)).StallAfter(TimeSpan.FromMinutes(5)).LongerThanUsual(3).ActivateAsync(stop);
        await log.Admin.Rule("b").MinRuntime(TimeSpan.FromSeconds(10)).ActivateAsync(stop);

        var report = await log.Monitor.CheckAsync(cancellationToken: stop);

        report.Worst.Should().Be(AlertLevel.Warning);
        report.Alerts.Select(a => $"{a.JobName} {a.AlertStatusText}").Should().Equal("A OVERDUE", "A OVERDUE", "A STALLED", "B TOO_FAST");
        report.Alerts.Select(a => a.AlertText).Should().Contain("The last run took 00:00:02, less than the expected 00:00:10")
            .And.Contain(t => t.StartsWith("Running for 00:1") && t.EndsWith("longer than the allowed 00:09:00"))
            .And.Contain(t => t.EndsWith("longer than 3 times the usual 00:03:00"))
            .And.Contain(t => t.StartsWith("No progress since ") && t.EndsWith(" in step: second"));
        (await log.RowsAsync("SELECT job_name, alert_status FROM S.check_job_status()")).Should().Equal("A|OVERDUE", "A|OVERDUE", "A|STALLED", "B|TOO_FAST");
    }

    [Fact]
    public async Task A_missed_schedule_is_missing_and_a_muted_job_does_not_count()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var stop = TestContext.Current.CancellationToken;
        await log.Admin.Rule("nightly").Schedule("* * * * *", "Europe/Berlin").ActivateAsync(stop);
        // What was due before the rule was made is nobody's fault. An hour ahead, because a minute may end between the two.
        await log.ExecuteAsync("UPDATE omnipg_jobmon.check_rule SET created_at = now() + interval '1 h'");
        var fresh = await log.Monitor.CheckAsync(cancellationToken: stop);
        await log.ExecuteAsync("UPDATE omnipg_jobmon.check_rule SET created_at = now() - interval '1 h'");

        var missed = await log.Monitor.CheckAsync(cancellationToken: stop);
        await log.Admin.MuteAsync("Nightly", DateTimeOffset.UtcNow.AddHours(1), "dba", "maintenance", stop);
        var muted = await log.Monitor.CheckAsync(cancellationToken: stop);
        await log.ExecuteAsync("SELECT S.close_job(S.add_job('nightly'))");
        await log.Admin.MuteAsync("Nightly", null, "dba", null, stop);
        var done = await log.Monitor.CheckAsync(cancellationToken: stop);

        fresh.Worst.Should().Be(AlertLevel.Ok);
        missed.Alerts.Should().ContainSingle().Which.Status.Should().Be(JobAlertStatus.Missing);
        missed.Alerts[0].AlertText.Should().StartWith("Expected start at ").And.EndWith("(* * * * * Europe/Berlin) did not happen. Last start: never");
        missed.ToNagios().ExitCode.Should().Be(2);
        muted.Worst.Should().Be(AlertLevel.Ok);
        muted.ToNagios().Output.Should().StartWith("OK(NIGHTLY(MISSING): Expected start").And.Contain("did not happen. Last start: never [muted])|failed=0;;1 missing=0;;1");
        done.Alerts.Should().ContainSingle().Which.Status.Should().Be(JobAlertStatus.Ok);
    }

    [Fact]
    public async Task Lint_names_every_rule_that_cannot_work()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("INSERT INTO S.job_check_config (job_name, warn_threshold, error_threshold, active) VALUES ('lower', '1 h', '1 h', true), ('A', '2 h', '1 h', true), ('B', '0', '1 h', false);"
            + "DELETE FROM S.job_status_text WHERE alert_code = 1; INSERT INTO S.job_status_text VALUES (5, 'CRITICAL'); INSERT INTO omnipg_jobmon.check_rule (job_name, cron) VALUES ('C', '99 * * * *')");

        var findings = await log.Monitor.LintAsync(TestContext.Current.CancellationToken);

        findings.Select(f => $"{f.JobName}: {f.Code}").Should().Equal(
            ": status-text-twice", ": success-text-missing", "A: never-ran", "A: warning-after-error", "B: inactive", "B: threshold-not-positive",
            "lower: name-not-upper-case", "C: schedule-invalid");
    }
}
