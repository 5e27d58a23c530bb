using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OmniPg.Jobmon;

namespace Snippets;

/// <summary>Code blocks of docs/jobmon-in-a-host.md.</summary>
internal static class JobmonInAHost
{
    public static async Task RunAsync(string[] args)
    {
        #region jobmon-host
        var builder = Host.CreateApplicationBuilder(args);
        builder.Services.AddOmniPgJobmon(o => o.ConnectionString = "Host=localhost;Database=postgres;Username=postgres;Password=postgres")
            .AddInstall()                                 // before the first service starts; several hosts follow each other
            .AddReaper()
            .AddRetention(new PurgeOptions { OlderThan = TimeSpan.FromDays(90) });
        builder.Services.AddHostedService<NightlyOrders>();
        await builder.Build().RunAsync();
        #endregion
    }
}

#region jobmon-host-service
internal sealed class NightlyOrders(IJobmon jobmon) : BackgroundService
{
    // The token of the body fires when the host stops, and when somebody cancels the job.
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        jobmon.RunAsync("nightly orders load", LoadAsync, cancellationToken: stoppingToken);

    private static async Task LoadAsync(IJob job, CancellationToken cancellationToken)
    {
        await using var step = await job.StepAsync("extract", cancellationToken);
        await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);     // the work
        await step.CompleteAsync("Rows affected: 3", cancellationToken: cancellationToken);
    }
}
#endregion
