#region jobmon-host
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OmniPg.Jobmon;

var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddOmniPgJobmon(o => o.ConnectionString = "Host=localhost;Database=postgres;Username=postgres;Password=postgres")
    .AddInstall()                                         // before the first service starts; several hosts follow each other
    .AddReaper()
    .AddRetention(new PurgeOptions { OlderThan = TimeSpan.FromDays(90) });
builder.Services.AddHostedService<NightlyOrders>();
await builder.Build().RunAsync();

internal sealed class NightlyOrders(IJobmon jobmon) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromDays(1));
        do
        {
            try
            {
                // Its token fires when the host stops, and when somebody cancels the job.
                await jobmon.RunAsync("nightly orders load", LoadAsync, cancellationToken: stoppingToken);
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                // It is in the log already, and the check tells of it.
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private static async Task LoadAsync(IJob job, CancellationToken cancellationToken)
    {
        await using var step = await job.StepAsync("extract", cancellationToken);
        await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);       // the work
        await step.CompleteAsync("Rows affected: 3", cancellationToken: cancellationToken);
    }
}
#endregion
