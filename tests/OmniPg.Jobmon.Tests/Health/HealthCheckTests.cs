using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Health;

public sealed class HealthCheckTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Health_follows_the_worst_alert_and_lists_the_jobs()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.Admin.Rule("load").Warn("1 d").Error("2 d").ActivateAsync(Stop);
        await using var services = Services(log.DataSource);
        var health = services.GetRequiredService<HealthCheckService>();

        await log.ExecuteAsync("SELECT S.close_job(S.add_job('load'))");
        var healthy = await health.CheckHealthAsync(Stop);
        await log.ExecuteAsync("SELECT S.fail_job(S.add_job('load'), 2)");
        var degraded = await health.CheckHealthAsync(Stop);
        await log.ExecuteAsync("SELECT S.fail_job(S.add_job('load'))");
        var unhealthy = await health.CheckHealthAsync(Stop);

        healthy.Status.Should().Be(HealthStatus.Healthy);
        degraded.Status.Should().Be(HealthStatus.Degraded);
        degraded.Entries["omnipg-jobmon"].Description.Should().Be("LOAD: FAILED_RUN: 1 WARNING run(s)");
        unhealthy.Status.Should().Be(HealthStatus.Unhealthy);
        unhealthy.Entries["omnipg-jobmon"].Data.Should().ContainKey("LOAD").WhoseValue.Should().Be("FAILED_RUN: 1 CRITICAL run(s); FAILED_RUN: 1 WARNING run(s)");
    }

    [Fact]
    public async Task A_server_that_cannot_be_reached_gives_the_configured_status()
    {
        await using var source = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=u;Password=secret;Timeout=2");
        await using var services = Services(source, HealthStatus.Degraded);

        var report = await services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Stop);

        report.Status.Should().Be(HealthStatus.Degraded);
        report.Entries["omnipg-jobmon"].Description.Should().StartWith("The job log could not be checked: ").And.NotContain("secret");
    }

    private static ServiceProvider Services(NpgsqlDataSource source, HealthStatus? failureStatus = null)
    {
        var services = new ServiceCollection().AddLogging();
        services.AddSingleton<IJobmon>(_ => new JobmonClient(source));
        services.AddHealthChecks().AddOmniPgJobmon(failureStatus: failureStatus);
        return services.BuildServiceProvider();
    }
}
