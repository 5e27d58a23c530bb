using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon;

/// <summary>Closes the runs of dead processes from time to time.</summary>
internal sealed class ReaperService(IJobmon jobmon, TimeSpan interval, TimeProvider time, ILogger logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(interval, time);
        do
        {
            try
            {
                if (await jobmon.Admin.ReapAsync(stoppingToken).ConfigureAwait(false) is > 0 and var closed)
                    JobmonLog.Reaped(logger, closed);
            }
            catch (Exception error) when (WriteFailures.IsExpected(error))
            {
                JobmonLog.ReapFailed(logger, error.Message, error);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
    }
}
