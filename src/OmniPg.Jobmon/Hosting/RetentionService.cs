using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon;

/// <summary>Deletes old runs from time to time.</summary>
internal sealed class RetentionService(IJobmon jobmon, PurgeOptions purge, TimeSpan interval, TimeProvider time, ILogger logger) : BackgroundService
{
    private static readonly TimeSpan FirstAfter = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var wait = FirstAfter < interval ? FirstAfter : interval;
        while (true)
        {
            await Task.Delay(wait, time, stoppingToken).ConfigureAwait(false);
            wait = interval;
            try
            {
                var done = await jobmon.Admin.PurgeAsync(purge, null, stoppingToken).ConfigureAwait(false);
                JobmonLog.Purged(logger, done.DeletedJobs);
            }
            catch (Exception error) when (WriteFailures.IsExpected(error))
            {
                JobmonLog.PurgeFailed(logger, error.Message, error);
            }
        }
    }
}
