using System.Text;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Administration;

public sealed class AdminTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_rule_is_upper_cased_by_the_server_and_keeps_what_is_not_set()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);

        await log.Admin.Rule("Nightly Größe").Warn("1 mon").Error(TimeSpan.FromDays(40)).Sensitivity(2).Escalate(3).ActivateAsync(Stop);
        await log.Admin.Rule("NIGHTLY GRößE").Warn("26 hours").DeactivateAsync(Stop);

        (await log.RowsAsync("SELECT job_name = upper('Nightly Größe'), warn_threshold, extract(epoch from error_threshold)::int, active, sensitivity, escalate FROM S.job_check_config"))
            .Should().Equal("t|26:00:00|3456000|f|2|3");
    }

    [Theory]
    [InlineData("2 hours", "1 hour", "*warning threshold '02:00:00' of job 'x' is longer than the error threshold '01:00:00'*")]
    [InlineData("1 hour", null, "*needs both a warning and an error threshold*")]
    public async Task A_rule_that_makes_no_sense_is_refused(string warn, string? error, string message)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var rule = log.Admin.Rule("x").Warn(warn);

        var act = () => (error is null ? rule : rule.Error(error)).ActivateAsync(Stop);

        await act.Should().ThrowAsync<ArgumentException>().WithMessage(message);
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_check_config")).Should().Be(0);
    }

    [Fact]
    public async Task A_rule_that_is_not_there_cannot_be_turned_off_and_counts_are_not_negative()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);

        var off = () => log.Admin.Rule("nobody").DeactivateAsync(Stop);

        await off.Should().ThrowAsync<ArgumentException>().WithMessage("Job 'nobody' has no rule to turn off; a new one that is off needs both a warning and an error threshold, too.");
        log.Admin.Invoking(a => a.Rule("x").Escalate(-1)).Should().Throw<ArgumentOutOfRangeException>().WithMessage("Zero or more, or null for never.*");
        log.Admin.Invoking(a => a.Rule("x").Sensitivity(-1)).Should().Throw<ArgumentOutOfRangeException>().WithMessage("Zero or more.*");
    }

    [Fact]
    public async Task Every_mistake_of_a_rule_is_told_at_once_and_intervals_may_have_months()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var rule = log.Admin.Rule("x");

        foreach (var wrong in new Action[]
        {
            () => rule.Schedule("@daily"), () => rule.Schedule("61 * * * *"), () => rule.Schedule("* * * * *", "Mars/Base"),
            () => rule.Schedule("* * * * *", startGrace: TimeSpan.FromSeconds(-1)), () => rule.MinRuntime(TimeSpan.Zero), () => rule.Warn("0"),
            () => rule.MaxRuntime("-1 h"), () => rule.Schedule("* * * * *", "UTC", "-1 s"), () => rule.Error("1 mon -30 days"), () => rule.StallAfter("-1 s"),
        })
            wrong.Should().Throw<ArgumentException>();
        foreach (var text in new[] { "soon", " ", "" })
            rule.Invoking(r => r.Warn(text)).Should().Throw<FormatException>();
        await rule.Schedule("0 0 1 * *", "UTC", "1 mon").MaxRuntime("1 mon 1 day").ActivateAsync(Stop);

        (await log.Admin.ListRulesAsync(Stop)).Should().Equal(new JobRule
        {
            JobName = "X", Active = true, Cron = "0 0 1 * *", TimeZone = "UTC", StartGrace = "1 mon", MaxRuntime = "1 mon 1 day",
        });
        (await log.Monitor.CheckAsync(cancellationToken: Stop)).Worst.Should().Be(AlertLevel.Ok);
        await log.ExecuteAsync("DROP SCHEMA omnipg_jobmon CASCADE; INSERT INTO S.job_check_config VALUES ('Y', '1 h', '2 h', true, 1)");
        await using var without = new JobmonClient(log.DataSource);
        (await without.Admin.ListRulesAsync(Stop)).Should().Equal(new JobRule { JobName = "Y", Active = true, WarnThreshold = "1 h", ErrorThreshold = "2 h", Sensitivity = 1 });
    }

    [Fact]
    public async Task Acknowledge_clears_the_failures_and_remembers_who_and_why()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("SELECT S.fail_job(S.add_job('a')), S.fail_job(S.add_job('a')), S.fail_job(S.add_job('b'))");

        var cleared = await log.Admin.AcknowledgeAsync("A", "keith", "known", Stop);

        cleared.Should().Be(2);
        (await log.RowsAsync("SELECT job_name FROM S.job_check_log")).Should().Equal("B");
        (await log.RowsAsync("SELECT job_name, job_ids, acknowledged_by, why FROM omnipg_jobmon.acknowledgement")).Should().Equal("A|{1,2}|keith|known");
    }

    [Fact]
    public async Task Status_texts_are_read_set_and_unique()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);

        await log.Admin.SetStatusTextAsync(new AlertLevel(4), "FATAL", Stop);
        await log.Admin.SetStatusTextAsync(AlertLevel.Ok, "good", Stop);
        var twice = () => log.Admin.SetStatusTextAsync(AlertLevel.Warning, "FATAL", Stop);

        await twice.Should().ThrowAsync<ArgumentException>();
        (await log.Admin.StatusTextsAsync(Stop)).Select(t => $"{t.Key} {t.Value}").Should().Equal("1 good", "2 WARNING", "3 CRITICAL", "4 FATAL");
    }

    [Fact]
    public async Task Export_writes_a_json_line_for_each_run_with_its_steps()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("SELECT S.update_step(S.add_step(S.add_job('a \"b\"'), 'first'), 'OK', E'line\\nend')");
        await log.ExecuteAsync("SELECT S.add_job('c')");
        using var target = new MemoryStream();

        await log.Admin.ExportAsync(target, new JobQuery { Limit = null }, Stop);

        var lines = Encoding.UTF8.GetString(target.ToArray()).TrimEnd('\n').Split('\n');
        lines.Should().HaveCount(2);
        using var json = System.Text.Json.JsonDocument.Parse(lines[1]);
        json.RootElement.GetProperty("jobName").GetString().Should().Be("A \"B\"");
        json.RootElement.GetProperty("steps")[0].GetProperty("message").GetString().Should().Be("line\nend");
    }

    [Fact]
    public async Task Cancel_says_what_it_did_and_never_hits_another_session()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var worker = await log.DataSource.OpenConnectionAsync(Stop);
        await log.RowsAsync(worker, "SELECT S.add_job('slow')");
        await log.ExecuteAsync($"SELECT S.close_job(S.add_job('done')); INSERT INTO S.job_log (owner, job_name, start_time, pid) VALUES ('me', 'FORGED', now() - interval '1 d', {worker.ProcessID})");
        await log.ExecuteAsync("INSERT INTO S.job_log (owner, job_name, start_time, pid) VALUES ('me', 'SDK', now(), 1); INSERT INTO omnipg_jobmon.session (session_id, heartbeat_at) VALUES (gen_random_uuid(), now());"
            + "INSERT INTO omnipg_jobmon.run (job_id, session_id) SELECT 4, session_id FROM omnipg_jobmon.session");

        (await log.Admin.CancelAsync(3, null, Stop)).Should().Be(CancelResult.MarkedCancelled);
        (await log.Admin.CancelAsync(2, null, Stop)).Should().Be(CancelResult.AlreadyFinished);
        (await log.Admin.CancelAsync(99, null, Stop)).Should().Be(CancelResult.NotFound);
        (await log.Admin.CancelAsync(4, "why", Stop)).Should().Be(CancelResult.Requested);
        (await log.Admin.CancelAsync(1, "too slow", Stop)).Should().Be(CancelResult.BackendSignalled);

        (await log.RowsAsync("SELECT job_id, status FROM S.job_log ORDER BY 1")).Should().Equal("1|CRITICAL", "2|OK", "3|CRITICAL", "4|~");
        (await log.RowsAsync("SELECT cancel_requested_by FROM omnipg_jobmon.run")).Should().Equal("postgres: why");
        (await log.RowsAsync("SELECT message FROM S.show_detail(1)")).Should().Equal("Manually cancelled via call to \"jobmon\".cancel_job() by postgres: too slow");
    }

    [Fact]
    public async Task A_role_that_may_not_signal_the_backend_is_told_so()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync($"CREATE ROLE \"weak_{log.Name}\" LOGIN; " + log.Admin.GrantScript($"weak_{log.Name}", JobmonAccess.Write));
        await using var worker = await log.DataSource.OpenConnectionAsync(Stop);
        await log.RowsAsync(worker, "SELECT S.add_job('slow')");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = $"weak_{log.Name}" }.ConnectionString);

        var result = await new JobmonAdmin(JobLogDatabase.AccessAs(source), TimeSpan.FromSeconds(60)).CancelAsync(1, null, Stop);

        result.Should().Be(CancelResult.NotPermitted);
        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("~");
    }
}
