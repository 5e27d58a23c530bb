using Microsoft.Extensions.Diagnostics.HealthChecks;
using OmniPg.Jobmon;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers the check of the job log as a health check.</summary>
public static class OmniPgJobmonHealthCheckExtensions
{
    /// <summary>
    /// Adds <see cref="IJobMonitor.CheckAsync"/> as a health check: level 1 is healthy, 2 degraded, from 3 on unhealthy. Its data has one
    /// entry for each job with an alert.
    /// </summary>
    /// <param name="builder">The health checks of the application.</param>
    /// <param name="name">Name of the check. Default <c>omnipg-jobmon</c>.</param>
    /// <param name="failureStatus">Status when the log cannot be checked. Default <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">Tags to select the check by.</param>
    /// <param name="timeout">Time limit of the check. Default none.</param>
    /// <remarks>Uses the registered <see cref="IJobmon"/>.</remarks>
    public static IHealthChecksBuilder AddOmniPgJobmon(
        this IHealthChecksBuilder builder, string name = "omnipg-jobmon", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null,
        TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return builder.Add(new HealthCheckRegistration(
            name, services => new JobmonHealthCheck(() => services.GetRequiredService<IJobmon>().Monitor), failureStatus, tags, timeout));
    }
}
