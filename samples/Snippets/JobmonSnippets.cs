using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using OmniPg.Jobmon;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Polly;
using Polly.Retry;

namespace Snippets;

/// <summary>Code blocks of src/OmniPg.Jobmon/README.md and docs/jobmon.md.</summary>
internal static class JobmonSnippets
{
    public static async Task Whole(JobmonClient jobmon, NpgsqlDataSource dataSource, CancellationToken stoppingToken)
    {
        #region jobmon-run
        await jobmon.RunAsync("refresh facts", async (job, ct) =>
        {
            await using var connection = await dataSource.OpenConnectionAsync(ct);
            job.Attach(connection);                           // blocking and cancellation concern this backend
            await job.SqlStepAsync("delete old", "DELETE FROM facts WHERE day < current_date - 30", connection, cancellationToken: ct);
        }, cancellationToken: stoppingToken);                 // exceptions are recorded and rethrown
        #endregion
    }

    public static async Task Single(JobmonClient jobmon)
    {
        #region jobmon-single
        await using var export = await jobmon.Job("export").SingleInstance().MaxRuntime(TimeSpan.FromHours(2)).Tag("daily").StartAsync();
        if (!export.Acquired)
            return;                                           // another run is active; the attempt is in the log
        #endregion

        await export.CompleteAsync();
    }

    public static async Task<int> Check(JobmonClient jobmon, CancellationToken ct)
    {
        #region jobmon-check
        await jobmon.Admin.Rule("nightly orders load").Warn("26 hours").Error("30 hours").ActivateAsync(ct);
        var nagios = (await jobmon.Monitor.CheckAsync(cancellationToken: ct)).ToNagios();
        Console.WriteLine(nagios.Output);
        return nagios.ExitCode;
        #endregion
    }

    public static async Task Rules(JobmonClient jobmon, CancellationToken ct)
    {
        #region jobmon-rules
        await jobmon.Admin.Rule("nightly orders load")
            .Warn("26 hours").Error("30 hours")               // MISSING: no start for so long
            .Sensitivity(1)                                   // FAILED_RUN from the second failure since the last success on
            .Schedule("30 2 * * *", "Europe/Berlin", startGrace: TimeSpan.FromMinutes(20))
            .MaxRuntime(TimeSpan.FromHours(2))                // OVERDUE
            .MinRuntime(TimeSpan.FromSeconds(10))             // TOO_FAST
            .StallAfter(TimeSpan.FromMinutes(15))             // STALLED: the progress value stands still
            .ActivateAsync(ct);
        foreach (var finding in await jobmon.Monitor.LintAsync(ct))
            Console.WriteLine($"{finding.JobName}: {finding.Message}");
        #endregion
    }

    public static async Task Grant(JobmonClient jobmon)
    {
        #region jobmon-grant
        await jobmon.Admin.InstallAsync(new InstallOptions { Schema = "jobmon" });                 // as the owner
        Console.WriteLine(await jobmon.Admin.GrantScriptAsync("etl", JobmonAccess.Write));         // for psql, as the owner
        Console.WriteLine(await jobmon.Admin.GrantScriptAsync("nagios", JobmonAccess.Read));
        #endregion
    }

    public static void Register(IServiceCollection services, string connectionString)
    {
        #region jobmon-di
        services.AddOmniPgJobmon(o => o.ConnectionString = connectionString)
            .AddReaper()
            .AddRetention(new PurgeOptions { OlderThan = TimeSpan.FromDays(90), KeepFailuresFor = TimeSpan.FromDays(365) })
            .AddLogCapture();
        services.AddHealthChecks().AddOmniPgJobmon();
        #endregion
    }

    public static void Configured(IServiceCollection services, IConfiguration configuration)
    {
        #region jobmon-settings
        services.AddOmniPgJobmon(configuration.GetSection("Jobmon"));
        #endregion
    }

    public static void Several(IServiceCollection services, NpgsqlDataSource shop, NpgsqlDataSource warehouse)
    {
        #region jobmon-keyed
        services.AddOmniPgJobmon("shop").UseDataSource(shop);
        services.AddOmniPgJobmon("warehouse", o => o.Schema = "etl_log").UseDataSource(warehouse).AddReaper();
        services.AddSingleton<NightlyLoad>();                 // its constructor takes [FromKeyedServices("warehouse")] IJobmon jobmon
        #endregion
    }

    public static void WithPgCron(IServiceCollection services, NpgsqlDataSource shop, NpgsqlDataSource postgres)
    {
        #region jobmon-pgcron
        services.AddOmniPgJobmon().UseDataSource(shop).AddPgCron(postgres);
        #endregion
    }

    public static async Task PgCronRules(IJobmon jobmon, CancellationToken ct)
    {
        #region jobmon-pgcron-rule
        await jobmon.Admin.Rule("pg_cron: nightly vacuum").Warn("26 hours").Error("30 hours").Sensitivity(0).MaxRuntime(TimeSpan.FromHours(1)).ActivateAsync(ct);
        #endregion
    }

    public static void Healthy(IServiceCollection services)
    {
        #region jobmon-health
        services.AddHealthChecks().AddOmniPgJobmon(
            name: "jobs", failureStatus: HealthStatus.Degraded, tags: ["jobs"], timeout: TimeSpan.FromSeconds(10));
        #endregion
    }

    public static async Task Linked(IJobmon jobmon, CancellationToken stoppingToken)
    {
        #region jobmon-tokens
        await using var job = await jobmon.StartAsync("import", cancellationToken: stoppingToken);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, job.CancellationToken);
        await LoadAsync(both.Token);                          // ends when the host stops, and on "omnipg jobmon cancel"
        await job.CompleteAsync(cancellationToken: CancellationToken.None);
        #endregion
    }

    private static Task LoadAsync(CancellationToken cancellationToken) => Task.Delay(1, cancellationToken);

    public static void Observed()
    {
        #region jobmon-otel
        using var traces = Sdk.CreateTracerProviderBuilder().AddSource("OmniPg.Jobmon").Build();
        using var metrics = Sdk.CreateMeterProviderBuilder().AddMeter("OmniPg.Jobmon").Build();
        #endregion
    }

    public static async Task Retried(JobmonClient jobmon, CancellationToken ct)
    {
        #region jobmon-polly
        var retry = new ResiliencePipelineBuilder()
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = new PredicateBuilder().Handle<JobmonException>(error => error.IsTransient),
                BackoffType = DelayBackoffType.Exponential,
                MaxRetryAttempts = 5,
            })
            .Build();

        var report = await retry.ExecuteAsync(async token => await jobmon.Monitor.CheckAsync(cancellationToken: token), ct);
        #endregion
        Console.WriteLine(report.Worst);
    }

    public static async Task Ended(JobmonClient jobmon, int skipped)
    {
        #region jobmon-ends
        using var job = jobmon.Start("import");
        var step = job.Step("read file");
        step = step.Next("load rows", "42 files");            // ends one step and begins the next in one round trip
        job.Count("rows_in", 1_000);
        job.SetResult("file", "orders.csv");
        if (skipped > 0)
        {
            step.Warn($"{skipped} rows were skipped");        // the step is WARNING, the job goes on
            job.Fail("not all rows were loaded", AlertLevel.Warning);
        }
        else
        {
            job.Complete("all of 42 files");                  // also ends the open step
        }
        #endregion
        await Task.CompletedTask;
    }
}
