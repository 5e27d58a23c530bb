using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.PgCron;

/// <summary>What a check says of jobs of pg_cron, by rows as pg_cron leaves them.</summary>
[Collection(nameof(PgCronCollection))]
public sealed class PgCronCheckTests(PgCronFixture server)
{
    private const string Well = "1|OK||All jobs run successfully";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Jobs_that_run_as_they_should_are_no_alert()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var job = await cron.JobAsync("nightly", "* * * * *");
        await cron.RunAsync(job, "failed", 400, 399, "ERROR:  no");
        await cron.RunAsync(job, "failed", 300, 299, "ERROR:  no");
        await cron.RunAsync(job, "succeeded", 100, 99, "1 row");

        (await cron.CheckAsync()).Should().Equal(Well);
    }

    [Fact]
    public async Task The_third_failure_since_the_last_success_is_an_alert_and_with_a_rule_the_one_beyond_its_sensitivity()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var job = await cron.JobAsync("nightly", "* * * * *");
        await cron.RunAsync(job, "succeeded", 300, 299);
        await cron.RunAsync(job, "failed", 200, 199, "ERROR:  first");
        await cron.RunAsync(job, "failed", 100, 99, @"ERROR:  second\nDETAIL:  Key (mail)=(a@b) exists.");

        var two = await cron.CheckAsync();
        await cron.RunAsync(job, "failed", 60, 59, @"ERROR:  third\nCONTEXT:  here");
        var three = await cron.CheckAsync();
        await cron.Log.Admin.Rule("pg_cron: Nightly").Warn("1 hour").Error("2 hours").Sensitivity(3).ActivateAsync(Stop);
        var tolerated = await cron.CheckAsync();
        await cron.Log.Admin.Rule("pg_cron: Nightly").Sensitivity(2).ActivateAsync(Stop);
        var beyond = await cron.CheckAsync();

        two.Should().Equal(Well);
        three.Should().ContainSingle().Which.Should().MatchRegex(@"^3\|FAILED_RUN\|PG_CRON: NIGHTLY\|3 failed run\(s\) since the success of \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ: ERROR:  third$");
        tolerated.Should().Equal(Well);
        beyond.Should().Equal(three);
    }

    [Fact]
    public async Task A_start_that_is_due_by_the_schedule_and_did_not_happen_is_missing()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var job = await cron.JobAsync("nightly", "* * * * *");
        await cron.RunAsync(job, "succeeded", 600, 599);

        var late = await cron.CheckAsync();
        var patient = await cron.CheckAsync(TimeSpan.FromMinutes(11));
        await cron.ExecuteAsync("UPDATE cron.job SET active = false");
        var inactive = await cron.CheckAsync();

        late.Should().ContainSingle().Which.Should().MatchRegex(
            @"^3\|MISSING\|PG_CRON: NIGHTLY\|Expected start at \d{4}-\d\d-\d\d \d\d:\d\d:00Z \(\* \* \* \* \* GMT\) did not happen\. Last start: \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$");
        patient.Should().Equal(Well);
        inactive.Should().Equal(Well);
    }

    [Fact]
    public async Task A_job_that_never_ran_is_missing_only_when_others_ended_after_it_was_stored_and_before_its_start_was_due()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var before = await cron.JobAsync("before", "* * * * *");
        var other = await cron.JobAsync("other", "0 0 31 2 *");
        await cron.RunAsync(other, "succeeded", 600, 599);
        var after = await cron.JobAsync(null, "* * * * *");
        await cron.RunAsync(other, "succeeded", 60, 59);

        var alerts = await cron.CheckAsync();

        alerts.Should().ContainSingle().Which.Should().StartWith("3|MISSING|PG_CRON: BEFORE|Expected start at ").And.EndWith("Last start: never");
        (before, after).Should().Be((1, 3));
    }

    [Fact]
    public async Task A_changed_schedule_is_not_held_against_a_job_before_others_have_run_since()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var job = await cron.JobAsync("nightly", "0 0 31 2 *");
        await cron.RunAsync(job, "succeeded", 600, 599);
        await cron.ExecuteAsync("UPDATE cron.job SET schedule = '* * * * *'");

        (await cron.CheckAsync()).Should().Equal(Well);
    }

    [Fact]
    public async Task A_job_by_seconds_is_missing_when_it_does_not_start_again()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var job = await cron.JobAsync(null, "30 seconds");
        await cron.RunAsync(job, "succeeded", 130, 129);

        var soon = await cron.CheckAsync();
        await cron.ExecuteAsync("UPDATE cron.job_run_details SET start_time = now() - interval '160 seconds', end_time = now() - interval '159 seconds'");
        var late = await cron.CheckAsync();

        soon.Should().Equal(Well);
        late.Should().ContainSingle().Which.Should().StartWith("3|MISSING|PG_CRON: #1|Expected start at ");
    }

    [Fact]
    public async Task A_failing_job_at_work_is_running_and_one_that_waits_for_a_lock_is_blocked()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        await using var worker = await cron.DataSource.OpenConnectionAsync(Stop);
        await using var holder = await cron.DataSource.OpenConnectionAsync(Stop);
        await cron.ExecuteAsync("CREATE TABLE needed ()");
        var job = await cron.JobAsync("nightly", "0 0 31 2 *");
        await cron.RunAsync(job, "failed", 400, 399, "ERROR:  a");
        await cron.RunAsync(job, "failed", 300, 299, "ERROR:  b");
        await cron.RunAsync(job, "failed", 200, 199, "ERROR:  c");
        var run = await cron.RunAsync(job, "running", 0, null, pid: worker.ProcessID);

        var running = await cron.Monitor.CheckAsync(cancellationToken: Stop);
        await using var transaction = await holder.BeginTransactionAsync(Stop);
        await new NpgsqlCommand("LOCK TABLE needed", holder).ExecuteNonQueryAsync(Stop);
        var waiting = new NpgsqlCommand("SELECT FROM needed", worker).ExecuteNonQueryAsync(Stop);
        await Eventually.TrueAsync(async () => (await cron.CheckAsync())[0].Contains("BLOCKED", StringComparison.Ordinal), "the backend waits", cancellationToken: Stop);
        var blocked = await cron.CheckAsync();
        await transaction.RollbackAsync(Stop);
        await waiting;

        running.RunningJobs.Should().Be(1);
        running.Alerts.Should().ContainSingle().Which.Should().BeEquivalentTo(new { Level = AlertLevel.Critical, Status = JobAlertStatus.Running, AlertStatusText = "RUNNING" });
        running.Alerts[0].AlertText.Should().MatchRegex(@"^Currently running since .*Z\. 3 failed run\(s\), and no success: ERROR:  c$");
        blocked.Should().ContainSingle().Which.Should().StartWith(
            $"3|BLOCKED|PG_CRON: NIGHTLY|Run '{run}' waits for a lock of pid {holder.ProcessID}. 3 failed run(s), and no success: ERROR:  c");
    }

    [Fact]
    public async Task A_start_that_waits_for_the_end_of_the_run_at_work_is_a_warning()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        await using var worker = await cron.DataSource.OpenConnectionAsync(Stop);
        var job = await cron.JobAsync("busy", "1 second");
        await cron.RunAsync(job, "succeeded", 100, 99);
        await cron.RunAsync(job, "running", 0, null, pid: worker.ProcessID);

        await Eventually.TrueAsync(async () => await cron.CheckAsync(TimeSpan.Zero) is [not Well], "the next start is due", cancellationToken: Stop);

        (await cron.CheckAsync(TimeSpan.Zero)).Should().ContainSingle().Which.Should().MatchRegex(@"^2\|RUNNING\|PG_CRON: BUSY\|Currently running since .*Z\. Expected start at .*");
    }

    [Fact]
    public async Task A_run_whose_backend_is_gone_has_died_when_no_scheduler_is_there_to_close_it()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server, scheduler: false);
        var job = await cron.JobAsync("nightly", "0 0 31 2 *");
        var run = await cron.RunAsync(job, "running", 100, null, pid: 999_999);

        var alerts = await cron.CheckAsync();

        alerts[0].Should().StartWith("3|DIED|PG_CRON|The scheduler does not run in database '").And.Contain("so none of 1 active jobs starts");
        alerts[1].Should().MatchRegex($@"^3\|DIED\|PG_CRON: NIGHTLY\|Backend '999999' of run '{run}' started .*Z is gone$");
        alerts.Should().HaveCount(2);
    }

    [Fact]
    public async Task With_a_scheduler_only_a_run_that_never_got_a_connection_is_dead_and_only_when_others_ended_long_since()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var ending = await cron.JobAsync("ending", "0 0 31 2 *");
        var left = await cron.JobAsync("left", "0 0 31 2 *");
        await cron.RunAsync(ending, "running", 100, null, pid: 999_999);
        await cron.ExecuteAsync($"INSERT INTO cron.job_run_details (jobid, status) VALUES ({left}, 'connecting')");

        var young = await cron.CheckAsync();
        await cron.RunAsync(99, "succeeded", 90, 80);
        var old = await cron.CheckAsync();

        young.Should().Equal(Well);
        old.Should().ContainSingle().Which.Should().StartWith("3|DIED|PG_CRON: LEFT|");
    }

    [Fact]
    public async Task Limits_of_a_rule_hold_for_runs_of_pg_cron()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        await using var worker = await cron.DataSource.OpenConnectionAsync(Stop);
        var (slow, unusual, fast) = (await cron.JobAsync("slow", "0 0 31 2 *"), await cron.JobAsync("unusual", "0 0 31 2 *"), await cron.JobAsync("fast", "0 0 31 2 *"));
        await cron.RunAsync(slow, "running", 4, null, pid: worker.ProcessID);
        foreach (var ago in new[] { 400, 300, 200 })
            await cron.RunAsync(unusual, "succeeded", ago, ago - 0.5);
        await cron.RunAsync(unusual, "running", 4, null, pid: worker.ProcessID);
        await cron.RunAsync(fast, "succeeded", 100, 99);
        await cron.Log.Admin.Rule("PG_CRON: SLOW").MaxRuntime(TimeSpan.FromSeconds(3)).ActivateAsync(Stop);
        await cron.Log.Admin.Rule("PG_CRON: UNUSUAL").LongerThanUsual(4).ActivateAsync(Stop);
        await cron.Log.Admin.Rule("PG_CRON: FAST").MinRuntime(TimeSpan.FromSeconds(2)).ActivateAsync(Stop);

        var alerts = await cron.CheckAsync();

        alerts.Should().SatisfyRespectively(
            a => a.Should().MatchRegex(@"^2\|OVERDUE\|PG_CRON: SLOW\|Running for 00:00:\d\d, longer than the allowed 00:00:03$"),
            a => a.Should().MatchRegex(@"^2\|OVERDUE\|PG_CRON: UNUSUAL\|Running for 00:00:\d\d, longer than 4 times the usual 00:00:00\.5$"),
            a => a.Should().Be("2|TOO_FAST|PG_CRON: FAST|The last run took 00:00:01, less than the expected 00:00:02"));
    }

    [Fact]
    public async Task Thresholds_of_a_rule_count_from_the_last_start_of_pg_cron_and_the_log_itself_misses_nothing()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var job = await cron.JobAsync("monthly", "0 0 31 2 *");
        await cron.RunAsync(job, "succeeded", 100, 99);
        var rule = cron.Log.Admin.Rule("PG_CRON: MONTHLY");

        await rule.Warn("1 hour").Error("2 hours").ActivateAsync(Stop);
        var early = await cron.CheckAsync();
        await rule.Warn("90 seconds").ActivateAsync(Stop);
        var late = await cron.CheckAsync();
        await rule.Warn("80 seconds").Error("90 seconds").ActivateAsync(Stop);
        var veryLate = await cron.CheckAsync();
        await rule.DeactivateAsync(Stop);
        var off = await cron.CheckAsync();
        await cron.ExecuteAsync("DELETE FROM cron.job");
        await rule.ActivateAsync(Stop);
        var unscheduled = await cron.CheckAsync();

        early.Should().Equal(Well);
        late.Should().ContainSingle().Which.Should().MatchRegex(@"^2\|MISSING\|PG_CRON: MONTHLY\|Last start: .*Z$");
        veryLate.Should().ContainSingle().Which.Should().MatchRegex(@"^3\|MISSING\|PG_CRON: MONTHLY\|Last start: .*Z$");
        off.Should().Equal(Well);
        unscheduled.Should().Equal("3|MISSING|PG_CRON: MONTHLY|Has not completed a run since highest configured monitoring time period");
    }

    [Fact]
    public async Task A_schedule_of_a_rule_stands_for_that_of_pg_cron_and_muting_holds()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var job = await cron.JobAsync("nightly", "* * * * *");
        await cron.RunAsync(job, "succeeded", 600, 599);
        await cron.Log.Admin.Rule("PG_CRON: NIGHTLY").Schedule("0 0 31 2 *").ActivateAsync(Stop);

        var never = await cron.CheckAsync();
        await cron.Log.Admin.Rule("PG_CRON: NIGHTLY").Schedule("* * * * *", startGrace: TimeSpan.FromMinutes(1)).ActivateAsync(Stop);
        await cron.Log.ExecuteAsync("UPDATE omnipg_jobmon.check_rule SET created_at = now() - interval '1 hour'");
        var late = await cron.CheckAsync();
        await cron.Log.Admin.MuteAsync("pg_cron: nightly", DateTimeOffset.UtcNow.AddHours(1), "me", cancellationToken: Stop);
        var muted = await cron.Monitor.CheckAsync(cancellationToken: Stop);

        never.Should().Equal(Well);
        late.Should().ContainSingle().Which.Should().MatchRegex(@"^3\|MISSING\|PG_CRON: NIGHTLY\|Expected start at .* \(\* \* \* \* \* UTC\) did not happen");
        muted.Alerts.Should().ContainSingle().Which.Muted.Should().BeTrue();
        muted.Worst.Should().Be(AlertLevel.Ok);
    }

    [Fact]
    public async Task What_pg_cron_takes_but_does_otherwise_than_it_reads_is_a_warning()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        await cron.JobAsync("backwards", "50-10 0 * * *");

        (await cron.CheckAsync()).Should().Equal("2|MISSING|PG_CRON: BACKWARDS|Schedule '50-10 0 * * *' cannot be checked: '50-10' counts backwards in a cron schedule.");
    }

    [Fact]
    public async Task Runs_beyond_the_newest_are_read_for_a_job_that_these_do_not_settle()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var (rare, often) = (await cron.JobAsync("rare", "0 0 31 2 *"), await cron.JobAsync("often", "0 0 31 2 *"));
        await cron.RunAsync(rare, "succeeded", 99_000, 98_999);
        foreach (var ago in new[] { 93_000, 92_000, 91_000 })
            await cron.RunAsync(rare, "failed", ago, ago - 1, "ERROR:  rare");
        await cron.ExecuteAsync($"""
            INSERT INTO cron.job_run_details (jobid, username, status, start_time, end_time)
            SELECT {often}, current_user, 'succeeded', now() - interval '20000 seconds' + i * interval '1 second', now() - interval '20000 seconds' + i * interval '1 second'
            FROM generate_series(1, {PgCronJob.RecentRuns}) i
            """);

        (await cron.CheckAsync()).Should().ContainSingle().Which.Should().MatchRegex(@"^3\|FAILED_RUN\|PG_CRON: RARE\|3 failed run\(s\) since the success of .*Z: ERROR:  rare$");
    }

    [Fact]
    public async Task Alerts_of_pg_cron_stand_among_those_of_the_log_and_reach_the_plugin_line()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var job = await cron.JobAsync("nightly", "* * * * *");
        await cron.RunAsync(job, "succeeded", 600, 599);
        await cron.Log.Admin.Rule("b").Warn("1 hour").Error("3 days").ActivateAsync(Stop);
        await cron.Log.ExecuteAsync("INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid) VALUES ('me', 'B', now() - interval '1 day', now() - interval '1 day', 'OK', 1)");

        var report = await cron.Monitor.CheckAsync(cancellationToken: Stop);

        report.Alerts.Select(a => (a.Level.Code, a.JobName)).Should().Equal((3, "PG_CRON: NIGHTLY"), (2, "B"));
        report.ToNagios().ExitCode.Should().Be(2);
        report.ToNagios().Output.Should().StartWith("CRITICAL(PG_CRON: NIGHTLY(MISSING): Expected start at ").And.Contain("missing=2;;1");
    }

    [Fact]
    public async Task A_rule_for_a_job_that_pg_cron_has_run_is_not_one_that_matches_nothing()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        await cron.RunAsync(await cron.JobAsync("ran", "0 0 31 2 *"), "succeeded", 100, 99);
        await cron.JobAsync("new", "0 0 31 2 *");
        await cron.Log.Admin.Rule("pg_cron: ran").Warn("1 h").Error("2 h").ActivateAsync(Stop);
        await cron.Log.Admin.Rule("pg_cron: new").Warn("1 h").Error("2 h").ActivateAsync(Stop);

        var findings = await cron.Monitor.LintAsync(Stop);

        findings.Select(f => (f.JobName, f.Code)).Should().Equal(("PG_CRON: NEW", "never-ran"));
    }
}
