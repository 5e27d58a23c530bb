using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.PgCron;

/// <summary>Beside a scheduler that really runs jobs.</summary>
[Collection(nameof(PgCronCollection))]
public sealed class PgCronServerTests(PgCronFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Jobs_that_the_scheduler_ran_are_told_of_also_after_a_crash_of_the_server()
    {
        _ = server.Cluster;
        var cluster = await server.StartAsync();
        await using var log = await JobLogDatabase.CreateAsync(cluster, dblink: false);
        var services = new ServiceCollection().AddLogging();
        services.AddOmniPgJobmon().UseDataSource(log.DataSource).AddPgCron(cluster.DataSource);
        services.AddHealthChecks().AddOmniPgJobmon();
        await using var provider = services.BuildServiceProvider();
        var jobmon = provider.GetRequiredService<IJobmon>();
        await cluster.ExecuteAsync("CREATE EXTENSION pg_cron", Stop);
        foreach (var (name, command) in new[] { ("good", "SELECT 1"), ("bad", "SELECT 1/0"), ("hang", "SELECT pg_sleep(3600)") })
        {
            await cluster.ExecuteAsync($"SELECT cron.schedule('{name}', '* * * * *', '{command}')", Stop);
            await jobmon.Admin.Rule("pg_cron: " + name).Warn("1 day").Error("2 days").Sensitivity(0).ActivateAsync(Stop);
        }

        // pg_cron starts jobs when a minute begins.
        await Eventually.TrueAsync(() => cluster.ScalarAsync<bool>("""
            SELECT count(*) FILTER (WHERE status = 'succeeded') > 0 AND count(*) FILTER (WHERE status = 'failed') > 0 AND count(*) FILTER (WHERE status = 'running') > 0
            FROM cron.job_run_details
            """, Stop), "pg_cron has run its jobs", TimeSpan.FromMinutes(2), Stop);
        await cluster.ExecuteAsync("UPDATE cron.job SET schedule = '0 0 31 2 *'", Stop);
        var running = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        var atWork = await jobmon.History.RunningAsync(cancellationToken: Stop).ToListAsync(Stop);
        var health = await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync(Stop);
        await cluster.ExecuteAsync("CHECKPOINT", Stop);

        cluster.KillHard();
        await cluster.StartAgainAsync(new Dictionary<string, string> { ["shared_preload_libraries"] = "" }, Stop);
        log.DataSource.Clear();
        var crashed = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        await cluster.RestartAsync(Stop);
        log.DataSource.Clear();
        await Eventually.TrueAsync(() => cluster.ScalarAsync<bool>("SELECT NOT EXISTS (SELECT FROM cron.job_run_details WHERE status = 'running')", Stop),
            "pg_cron has closed the run of the crash", cancellationToken: Stop);
        var restarted = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);

        running.RunningJobs.Should().Be(1);
        running.Alerts.Should().ContainSingle().Which.Should().BeEquivalentTo(new { Level = AlertLevel.Critical, JobName = "PG_CRON: BAD", Status = JobAlertStatus.FailedRun });
        running.Alerts[0].AlertText.Should().MatchRegex(@"^\d failed run\(s\), and no success: ERROR:  division by zero$");
        atWork.Should().ContainSingle().Which.PgCron!.Command.Should().Be("SELECT pg_sleep(3600)");
        health.Entries["omnipg-jobmon"].Data.Should().ContainKey("PG_CRON: BAD");
        crashed.Alerts.Where(a => a.Status == JobAlertStatus.Died).Select(a => a.JobName).Should().Equal("PG_CRON", "PG_CRON: HANG");
        restarted.Alerts.Should().NotContain(a => a.Status == JobAlertStatus.Died);
        restarted.Alerts.Single(a => a.JobName == "PG_CRON: HANG").AlertText.Should().Be("1 failed run(s), and no success: server restarted");
    }

    [Fact]
    public async Task A_server_that_records_no_runs_is_a_warning_and_misses_nothing()
    {
        _ = server.Cluster;
        var cluster = await server.StartAsync(("cron.log_run", "off"));
        await using var log = await JobLogDatabase.CreateAsync(cluster, dblink: false);
        await cluster.ExecuteAsync("CREATE EXTENSION pg_cron", Stop);
        await cluster.ExecuteAsync("SELECT cron.schedule('nightly', '* * * * *', 'SELECT 1')", Stop);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { PgCron = true, PgCronConnectionString = cluster.ConnectionString });
        await Eventually.TrueAsync(() => cluster.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pg_cron scheduler')", Stop),
            "the scheduler runs", cancellationToken: Stop);

        var report = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);

        report.Alerts.Should().ContainSingle().Which.Should().BeEquivalentTo(new
        {
            Level = AlertLevel.Warning, JobName = "PG_CRON", AlertText = "cron.log_run is off, so nothing is known of the runs of 1 active jobs",
        });
    }

    [Fact]
    public async Task Log_and_pg_cron_in_one_database_need_the_one_option()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        await cron.JobAsync("backwards", "50-10 0 * * *");
        await using var jobmon = new JobmonClient(cron.DataSource, new JobmonOptions { PgCron = true });
        await jobmon.Admin.InstallAsync(cancellationToken: Stop);

        var report = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);

        report.Alerts.Should().ContainSingle().Which.JobName.Should().Be("PG_CRON: BACKWARDS");
    }
}
