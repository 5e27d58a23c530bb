using Microsoft.Extensions.Logging;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

/// <summary>The texts of outcomes belong to the installation.</summary>
public sealed class StatusTextTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Edited_texts_and_own_codes_are_used()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("UPDATE S.job_status_text SET alert_text = 'good' WHERE alert_code = 1; UPDATE S.job_status_text SET alert_text = 'bad' WHERE alert_code = 3; INSERT INTO S.job_status_text VALUES (4, 'FATAL')");
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        using (var job = jobmon.Start("a"))
        {
            job.Step("one").Complete();
            job.Step("two").Complete(status: "HALF");
            job.Complete();
        }

        jobmon.Start("b").Fail("no");
        jobmon.Start("c").Fail("no", new AlertLevel(4));
        jobmon.Start("d").Fail("no", new AlertLevel(5));

        (await log.RowsAsync("SELECT job_name, status FROM S.job_log ORDER BY job_id")).Should().Equal("A|good", "B|bad", "C|FATAL", "D|FATAL");
        (await log.RowsAsync("SELECT action, status FROM S.job_detail WHERE job_id = 1 ORDER BY step_id")).Should().Equal("one|good", "two|HALF");
        (await log.RowsAsync("SELECT job_name, alert_code FROM S.job_check_log ORDER BY job_id")).Should().Equal("B|3", "C|4", "D|4");
    }

    [Theory]
    [InlineData(42)]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task Level_without_a_text_alerts_as_the_highest_that_has_one(int code)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await jobmon.Admin.Rule("x").Warn("1 h").Error("2 h").Sensitivity(0).ActivateAsync(Stop);

        using (var job = jobmon.Start("x"))
        {
            job.Step("culprit");
            job.Fail("no", new AlertLevel(code));
        }

        var report = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        report.Alerts.Select(a => $"{a.Level.Code} {a.AlertStatusText} {a.JobName} {a.AlertText}").Should().Equal("3 FAILED_RUN X 1 CRITICAL run(s)");
        (await log.RowsAsync("SELECT l.status, d.status FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("CRITICAL|CRITICAL");
    }

    [Fact]
    public async Task Status_or_level_that_no_text_knows_still_alerts()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.Admin.Rule("x").Warn("1 h").Error("2 h").Sensitivity(0).ActivateAsync(Stop);
        await log.Admin.Rule("y").Warn("1 h").Error("2 h").Sensitivity(0).ActivateAsync(Stop);
        await log.ExecuteAsync("SELECT S.add_job('x'), S.add_job('y'); UPDATE S.job_log SET status = 'BROKEN', end_time = now() WHERE job_name = 'X'");
        await log.ExecuteAsync("INSERT INTO S.job_status_text VALUES (9, 'MELTDOWN'); SELECT S.fail_job(2, 9); DELETE FROM S.job_status_text WHERE alert_code = 9");

        var report = await log.Monitor.CheckAsync(cancellationToken: Stop);

        report.Alerts.Select(a => $"{a.Level.Code} {a.AlertStatusText} {a.JobName} {a.AlertText}").Should().Equal("9 FAILED_RUN Y 1 level 9 run(s)", "3 FAILED_RUN X 1 CRITICAL run(s)");
        (await log.RowsAsync("SELECT alert_text FROM S.check_job_status()")).Should().Equal("1 level 9 run(s)", "1 CRITICAL run(s)");
    }

    [Fact]
    public async Task Missing_text_of_success_is_a_warning_and_the_literal_stands_in()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("DELETE FROM S.job_status_text WHERE alert_code = 1");
        var lines = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(log.DataSource, loggerFactory: lines);

        jobmon.Start("a").Complete();
        jobmon.Start("b").Complete();

        (await log.RowsAsync("SELECT job_name, status FROM S.job_log ORDER BY job_id")).Should().Equal("A|OK", "B|OK");
        lines.Lines.Where(l => l.Level >= LogLevel.Warning).Should().ContainSingle().Which.Message.Should().Contain("alert code 1");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Missing_text_of_success_refuses_the_start_under_Throw_and_leaves_no_open_run(bool async)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("DELETE FROM S.job_status_text WHERE alert_code = 1");
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        var starting = async () =>
        {
            if (async)
                await jobmon.Job("a").SingleInstance().StartAsync(Stop);
            else
                jobmon.Job("a").SingleInstance().Start();
        };
        var error = (await starting.Should().ThrowAsync<JobmonWriteException>()).Which;

        (error.Code, error.Operation).Should().Be(("jobmon.write", "job start"));
        error.Message.Should().Be("No job can succeed: table 'job_status_text' has no text for alert code '1'. Hint: Give it one by Admin.SetStatusTextAsync(AlertLevel.Ok, \"OK\").");
        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("CRITICAL");
    }

    [Theory]
    [InlineData(ErrorPolicy.Throw)]
    [InlineData(ErrorPolicy.LogAndContinue)]
    public async Task Start_that_fails_behind_its_row_leaves_no_open_run_and_no_lock(ErrorPolicy policy)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = policy });
        await using var closed = new Npgsql.NpgsqlConnection(log.ConnectionString);

        await jobmon.Job("a").SingleInstance().Attach(closed).Awaiting(b => b.StartAsync(Stop).AsTask()).Should().ThrowAsync<InvalidOperationException>().WithMessage("The work connection must be open.");
        using var next = jobmon.Job("a").SingleInstance().Start();

        next.Acquired.Should().BeTrue();
        next.Complete();
        jobmon.Current.Should().BeNull();
        (await log.RowsAsync("SELECT l.status, d.action, split_part(d.message, E'\\n', 1) FROM S.job_log l LEFT JOIN S.job_detail d USING (job_id) ORDER BY job_id"))
            .Should().Equal("CRITICAL|EXCEPTION before first step logged|ERROR: The work connection must be open.", "OK|~|~");
    }
}
