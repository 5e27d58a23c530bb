using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using OmniPg.Jobmon;

namespace Snippets;

/// <summary>Code blocks of src/OmniPg.Jobmon/README.md and docs/jobmon.md.</summary>
internal static class JobmonSnippets
{
    public static async Task First(IReadOnlyList<string> rows)
    {
        #region jobmon-first
        await using var dataSource = NpgsqlDataSource.Create("Host=localhost;Database=shop");
        await using var jobmon = JobmonClient.Create(dataSource);
        await jobmon.Admin.InstallAsync();                    // once per database

        using var job = jobmon.Start("nightly orders load");
        using (var step = job.Step("extract"))
        {
            foreach (var row in rows.WithProgress(step))
                Load(row);
            step.Complete($"Rows affected: {rows.Count}");
        }

        job.Complete();                                       // forgotten, or an exception: CRITICAL
        #endregion
    }

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
        await jobmon.Admin.Check("nightly orders load").Warn("26 hours").Error("30 hours").ActivateAsync(ct);
        var nagios = (await jobmon.Monitor.CheckAsync(cancellationToken: ct)).ToNagios();
        Console.WriteLine(nagios.Output);
        return nagios.ExitCode;
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

    private static void Load(string row) => ArgumentNullException.ThrowIfNull(row);
}
