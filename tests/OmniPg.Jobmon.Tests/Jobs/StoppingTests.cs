using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

/// <summary>What ends a job that is begun with <c>using</c> is told as what it is.</summary>
public sealed class StoppingTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Host_that_stops_cancels_a_job_that_is_disposed_open_by_it()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        using var host = new CancellationTokenSource();

        var working = WorkAsync(jobmon, host.Token);
        await Eventually.TrueAsync(async () => await log.ScalarAsync<long>("SELECT count(*) FROM S.job_detail") == 1, "the step waits", cancellationToken: Stop);
        await host.CancelAsync();

        await working.Awaiting(w => w).Should().ThrowAsync<OperationCanceledException>();
        (await log.RowsAsync("SELECT l.status, d.status, d.message FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("WARNING|WARNING|Cancelled");

        static async Task WorkAsync(JobmonClient jobmon, CancellationToken stoppingToken)
        {
            await using var job = await jobmon.Job("load").StopWith(stoppingToken).WhenCancelled(AlertLevel.Warning).StartAsync(Stop);
            await using var step = await job.StepAsync("wait", Stop);
            await Task.Delay(Timeout.Infinite, job.CancellationToken);
        }
    }

    [Fact]
    public async Task Failure_while_the_host_stops_is_a_failure()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        var working = async () =>
        {
            await using var job = await jobmon.Job("load").StopWith(new CancellationToken(canceled: true)).WhenCancelled(AlertLevel.Warning).StartAsync(Stop);
            job.CancellationToken.IsCancellationRequested.Should().BeTrue();
            throw new FormatException("bad line");
        };

        await working.Should().ThrowAsync<FormatException>();
        (await log.RowsAsync("SELECT l.status, d.message LIKE 'ERROR: bad line%' FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("CRITICAL|t");
    }

    [Fact]
    public async Task Step_fails_for_a_reason_that_is_no_exception_and_the_job_goes_on()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var job = await jobmon.StartAsync("load", cancellationToken: Stop);

        (await job.StepAsync("read", Stop)).Fail("no file");
        await (await job.StepAsync("look", Stop)).FailAsync("no folder", Stop);
        job.Step("empty").Invoking(step => step.Fail("")).Should().Throw<ArgumentException>();
        await job.CompleteAsync(cancellationToken: Stop);

        (await log.RowsAsync("SELECT d.action, d.status, d.message FROM S.job_detail d ORDER BY step_id")).Should().Equal(
            "read|CRITICAL|no file", "look|CRITICAL|no folder", "empty|OK|Step ended with the job");
    }

    [Fact]
    public async Task Sql_of_a_step_runs_on_the_attached_connection_as_long_as_that_is_open()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var job = await jobmon.StartAsync("load", cancellationToken: Stop);
        await using var work = await log.DataSource.OpenConnectionAsync(Stop);

        await job.Awaiting(j => j.SqlStepAsync("early", "SELECT 1", Stop)).Should().ThrowAsync<InvalidOperationException>().WithMessage("Job 'load' has no open work connection*");
        job.Attach(work);
        (await job.SqlStepAsync("count", "CREATE TEMP TABLE here AS SELECT generate_series(1, 3) AS i; SELECT * FROM here", Stop)).RowsAffected.Should().Be(6);
        (await log.RowsAsync(work, "SELECT count(*) FROM here")).Should().Equal("3");
        await work.CloseAsync();
        await job.Awaiting(j => j.SqlStepAsync("late", "SELECT 1", Stop)).Should().ThrowAsync<InvalidOperationException>();

        await job.CompleteAsync(cancellationToken: Stop);
    }

    [Fact]
    public async Task Check_and_shutdown_tell_of_events_that_wait_and_why()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var lines = new FakeLoggerFactory();
        await log.ExecuteAsync("CREATE ROLE waiting LOGIN");
        foreach (var grant in (await log.Admin.GrantScriptAsync("waiting", JobmonAccess.Write, Stop)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            await log.ExecuteAsync(grant);
        await log.ExecuteAsync("REVOKE INSERT ON S.job_log FROM waiting");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = "waiting" }.ConnectionString);
        await using (var jobmon = new JobmonClient(source, null, lines))
        {
            (await jobmon.Monitor.CheckAsync(cancellationToken: Stop)).WaitingEvents.Should().Be(0);
            await using (await jobmon.StartAsync("load", cancellationToken: Stop))
            {
                var report = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
                report.WaitingEvents.Should().Be(1);
                var health = await new OmniPgJobmonServiceCollectionExtensions.LogHealth(() => jobmon.Monitor).CheckHealthAsync(new() { Registration = null! }, Stop);
                health.Status.Should().Be(Microsoft.Extensions.Diagnostics.HealthChecks.HealthStatus.Degraded);
                health.Description.Should().StartWith("The log is offline for this process; events that wait: 1");
                health.Data.Should().Contain("waiting events", 1);
            }
        }

        lines.Lines.Should().ContainSingle(line => line.Id.Id == 3103 && line.Level == LogLevel.Error)
            .Which.Message.Should().Contain("permission denied for table job_log");
        await log.ExecuteAsync("DROP OWNED BY waiting; DROP ROLE waiting");
    }
}
