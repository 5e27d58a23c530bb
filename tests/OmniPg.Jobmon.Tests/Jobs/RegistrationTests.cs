using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

public sealed class RegistrationTests(PgClusterFixture server)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Registered_log_works_captures_lines_and_reaps()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton(log.DataSource);
        builder.Services.AddOmniPgJobmon(o => o.MaxLogLines = 3).AddLogCapture().AddReaper(TimeSpan.FromMilliseconds(100))
            .AddRetention(new PurgeOptions { OlderThan = TimeSpan.FromDays(30), LogAsJob = false }, TimeSpan.FromMilliseconds(100));
        await log.ExecuteAsync(
            """
            INSERT INTO omnipg_jobmon.session (session_id, client_name, heartbeat_at) VALUES ('00000000-0000-0000-0000-000000000001', 'dead', now() - interval '1 hour');
            INSERT INTO S.job_log (job_id, owner, job_name, start_time, pid) VALUES (900, 'x', 'DEAD', now(), 1);
            INSERT INTO omnipg_jobmon.run (job_id, session_id) VALUES (900, '00000000-0000-0000-0000-000000000001');
            INSERT INTO S.job_log (job_id, owner, job_name, start_time, end_time, status, pid) VALUES (901, 'x', 'OLD', now() - interval '40 days', now() - interval '40 days', 'OK', 1);
            """);

        using (var host = builder.Build())
        {
            await host.StartAsync(Cancellation);
            var jobmon = host.Services.GetRequiredService<IJobmon>();
            var logger = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Etl");
            logger.LogInformation("before any job");
            using (var job = jobmon.Start("captured"))
            {
                logger.LogDebug("too low");
                logger.LogWarning("row {Row} is odd", 7);
                using (var step = job.Step("load"))
                {
                    job.Log(LogLevel.Information, "half\0way");
                    step.Complete();
                }

                logger.LogError(new InvalidOperationException("bad"), "failed");
                logger.LogInformation("fourth");
                logger.LogInformation("fifth");
                job.Complete();
            }

            await Eventually.TrueAsync(async () => await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE job_id = 900 AND status = 'CRITICAL'") == 1, "the reaper works", cancellationToken: Cancellation);
            await Eventually.TrueAsync(async () => await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE job_id = 901") == 0, "retention works", cancellationToken: Cancellation);
            await host.StopAsync(Cancellation);
        }

        (await log.RowsAsync("SELECT seq, d.action, level, category, split_part(l.message, E'\\n', 2) = 'System.InvalidOperationException: bad', split_part(l.message, E'\\n', 1) FROM omnipg_jobmon.log_line l LEFT JOIN S.job_detail d USING (step_id) ORDER BY seq"))
            .Should().Equal("1|~|3|Etl|f|row 7 is odd", "2|load|2|~|f|half\ufffdway", "3|~|4|Etl|t|failed", "4|~|3|OmniPg.Jobmon|f|2 lines dropped");
    }

    [Fact]
    public async Task Log_is_installed_before_the_first_service_starts_by_several_hosts_at_once()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Cancellation);
        var lines = new FakeLoggerFactory();
        IHost Build()
        {
            var builder = Host.CreateEmptyApplicationBuilder(null);
            builder.Services.AddSingleton<ILoggerFactory>(lines);
            builder.Services.AddHostedService<StartsAJob>();
            builder.Services.AddOmniPgJobmon(o => o.ErrorPolicy = ErrorPolicy.Throw).UseDataSource(database.DataSource).AddReaper().AddInstall();
            return builder.Build();
        }

        using var first = Build();
        using var second = Build();
        await Task.WhenAll(first.StartAsync(Cancellation), second.StartAsync(Cancellation));
        await first.StopAsync(Cancellation);
        await second.StopAsync(Cancellation);

        (await database.ScalarAsync<string>("SELECT string_agg(job_name || ' ' || status, ',') FROM jobmon.job_log", Cancellation)).Should().Be("AT START OK,AT START OK");
        lines.Lines.Where(l => l.Id.Id is 3304 or 3305 or 3301).Select(l => l.Message).Should().Equal("Installed the job log in schema jobmon, side tables in omnipg_jobmon");
    }

    [Theory]
    [InlineData(ErrorPolicy.LogAndContinue)]
    [InlineData(ErrorPolicy.Throw)]
    public async Task Installation_that_fails_stops_the_host_only_under_Throw(ErrorPolicy policy)
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Cancellation);
        await database.ExecuteAsync("CREATE SCHEMA jobmon; CREATE TABLE jobmon.job_log (mine int)", Cancellation);
        var lines = new FakeLoggerFactory();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<ILoggerFactory>(lines);
        builder.Services.AddOmniPgJobmon(o => o.ErrorPolicy = policy).UseDataSource(database.DataSource).AddInstall();
        using var host = builder.Build();

        var start = () => host.StartAsync(Cancellation);

        if (policy == ErrorPolicy.Throw)
        {
            await start.Should().ThrowAsync<JobmonConflictException>();
            return;
        }

        await start();
        await host.StopAsync(Cancellation);
        lines.Lines.Where(l => l.Id.Id == 3304).Should().ContainSingle().Which.Message.Should().StartWith("Installing the job log failed: ").And.Contain("it holds foreign objects of the same names: job_log");
    }

    private sealed class StartsAJob(IJobmon jobmon) : IHostedService
    {
        public async Task StartAsync(CancellationToken cancellationToken) => await (await jobmon.StartAsync("at start", cancellationToken: cancellationToken)).CompleteAsync(cancellationToken: cancellationToken);

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    [Fact]
    public async Task Named_logs_stand_side_by_side()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Jobmon:ConnectionString"] = log.ConnectionString,
            ["Jobmon:FlushInterval"] = "00:00:00.250",
            ["Jobmon:ErrorPolicy"] = "throw",
        }).Build();
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddOmniPgJobmon("first", configuration.GetSection("Jobmon"));
        services.AddOmniPgJobmon("second").UseDataSource(log.DataSource);
        await using var provider = services.BuildServiceProvider();

        var first = provider.GetRequiredKeyedService<IJobmon>("first");
        var second = provider.GetRequiredKeyedService<IJobmon>("second");
        first.Start("one").Complete();
        second.Start("two").Complete();

        provider.GetRequiredService<IJobmon>().Should().BeSameAs(first).And.NotBeSameAs(second);
        provider.GetRequiredService<IOptionsMonitor<JobmonOptions>>().Get("first").FlushInterval.Should().Be(TimeSpan.FromMilliseconds(250));
        (await log.RowsAsync("SELECT job_name, status FROM S.job_log ORDER BY 1")).Should().Equal("ONE|OK", "TWO|OK");
    }

    [Fact]
    public void Invalid_options_are_reported_all_at_once()
    {
        var services = new ServiceCollection();
        services.AddOmniPgJobmon(o =>
        {
            o.DeadAfter = TimeSpan.FromSeconds(30);
            o.MaxMessageBytes = 1;
            o.Schema = new string('x', 64);
        });
        using var provider = services.BuildServiceProvider();

        var act = () => provider.GetRequiredService<IOptionsMonitor<JobmonOptions>>().CurrentValue;

        act.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(3)
            .And.Contain("DeadAfter '00:00:30' must be at least three times HeartbeatInterval '00:00:15'.");
    }

    [Fact]
    public void Log_without_a_data_source_says_what_to_do()
    {
        var services = new ServiceCollection();
        services.AddOmniPgJobmon();
        using var provider = services.BuildServiceProvider();

        provider.Invoking(p => p.GetRequiredService<IJobmon>()).Should().Throw<InvalidOperationException>().WithMessage("*UseDataSource*");
    }

    [Fact]
    public async Task Null_log_runs_bodies_and_passes_exceptions_through()
    {
        var jobmon = JobmonClient.Null;

        (await jobmon.RunAsync("x", async (job, ct) => await job.StepAsync("s", (step, _) => Task.FromResult(5), ct), cancellationToken: Cancellation)).Should().Be(5);
        await jobmon.Awaiting(j => j.RunAsync("x", (_, _) => throw new InvalidOperationException("boom"), cancellationToken: Cancellation))
            .Should().ThrowAsync<InvalidOperationException>().WithMessage("boom");
        jobmon.Invoking(j => j.Admin).Should().Throw<InvalidOperationException>();
    }
}
