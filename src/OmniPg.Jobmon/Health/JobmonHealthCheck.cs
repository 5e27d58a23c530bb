using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OmniPg.Jobmon;

/// <summary>Reports the check of the job log as the health of the application.</summary>
internal sealed class JobmonHealthCheck(Func<IJobMonitor> monitor) : IHealthCheck
{
    public const string WaitingEvents = "waiting events";

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            var report = await monitor().CheckAsync(null, cancellationToken).ConfigureAwait(false);
            var data = report.Alerts.Where(a => a.JobName is not null)
                .GroupBy(a => a.JobName!, StringComparer.Ordinal)
                .ToDictionary(g => g.Key, g => (object)string.Join("; ", g.Select(Describe)), StringComparer.Ordinal);
            var status = report.Worst.Code switch { <= 1 => HealthStatus.Healthy, 2 => HealthStatus.Degraded, _ => HealthStatus.Unhealthy };
            var texts = report.Alerts.Where(a => !a.Muted).Take(5).Select(WithName);
            if (report.WaitingEvents > 0)
            {
                // What these events say is in no alert: all clear would be more than is known.
                data[WaitingEvents] = report.WaitingEvents;
                texts = texts.Prepend(string.Create(null, $"The log is offline for this process; events that wait: {report.WaitingEvents}"));
                status = status == HealthStatus.Healthy ? HealthStatus.Degraded : status;
            }

            return new HealthCheckResult(status, string.Join("; ", texts), null, data);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, "The job log could not be checked: " + error.Message, error);
        }
    }

    private static string WithName(JobAlert alert) => alert.JobName is null ? alert.AlertText : $"{alert.JobName}: {Describe(alert)}";

    private static string Describe(JobAlert alert) => $"{alert.AlertStatusText}: {alert.AlertText}{(alert.Lateness is { } late ? ". " + late : "")}{(alert.Muted ? " (muted)" : "")}";
}
