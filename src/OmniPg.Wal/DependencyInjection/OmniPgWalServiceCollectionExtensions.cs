using Microsoft.Extensions.Diagnostics.HealthChecks;
using OmniPg.Wal;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers archivers, restorers, repositories, monitors and restore drills.</summary>
public static class OmniPgWalServiceCollectionExtensions
{
    /// <summary>Begins a registration; the parts are added to what it returns.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name and service key of the parts; empty for the only ones.</param>
    /// <returns>A builder with the same name.</returns>
    public static OmniPgWalBuilder AddOmniPgWal(this IServiceCollection services, string name = "")
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(name);
        return new OmniPgWalBuilder(services, name);
    }

    /// <summary>
    /// Adds the last restore drill of the host (<see cref="OmniPgWalBuilder.AddDrill"/> with a period) as a health check: findings are degraded, a target that was not
    /// reached is unhealthy, and before the first drill has ended it is degraded.
    /// </summary>
    /// <param name="builder">The health checks of the application.</param>
    /// <param name="name">Name of the check. Default <c>omnipg-drill</c>.</param>
    /// <param name="failureStatus">Status when the last drill could not run, or ended too long ago. Default <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">Tags to select the check by.</param>
    /// <param name="timeout">Time limit of the check. Default none.</param>
    /// <param name="maxAge">How long ago the last drill may have ended. Default 50 hours: a nightly one may fail once.</param>
    /// <param name="drill">Name of the drill as given to <see cref="AddOmniPgWal"/>. Default empty.</param>
    /// <returns>The same builder.</returns>
    public static IHealthChecksBuilder AddOmniPgDrill(
        this IHealthChecksBuilder builder, string name = "omnipg-drill", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null, TimeSpan? timeout = null,
        TimeSpan? maxAge = null, string drill = "")
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return builder.Add(new HealthCheckRegistration(
            name, services => new DrillHealth(services.GetRequiredKeyedService<DrillRounds>(drill), maxAge ?? TimeSpan.FromHours(50)), failureStatus, tags, timeout));
    }

    /// <summary>
    /// Adds a look of the host's <see cref="WalMonitor"/> (<see cref="OmniPgWalBuilder.AddMonitor"/>) as a health check: warnings and what is not known are degraded, anything
    /// critical is unhealthy. Its data has the value of each check by its name.
    /// </summary>
    /// <param name="builder">The health checks of the application.</param>
    /// <param name="name">Name of the check. Default <c>omnipg-monitor</c>.</param>
    /// <param name="failureStatus">Status when a check is critical. Default <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">Tags to select the check by.</param>
    /// <param name="timeout">Time limit of the check. Default none; the monitor has its own for each source.</param>
    /// <param name="monitor">Name of the monitor as given to <see cref="AddOmniPgWal"/>. Default empty.</param>
    /// <returns>The same builder.</returns>
    public static IHealthChecksBuilder AddOmniPgMonitor(
        this IHealthChecksBuilder builder, string name = "omnipg-monitor", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null, TimeSpan? timeout = null, string monitor = "")
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return builder.Add(new HealthCheckRegistration(name, services => new MonitorHealth(services.GetRequiredKeyedService<WalMonitor>(monitor)), failureStatus, tags, timeout));
    }

    private sealed class MonitorHealth(WalMonitor monitor) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            var result = await monitor.RunAsync(cancellationToken).ConfigureAwait(false);
            var status = result.Worst switch { WalCheckLevel.Ok => HealthStatus.Healthy, WalCheckLevel.Critical => context.Registration.FailureStatus, _ => HealthStatus.Degraded };
            var texts = result.Checks.Where(c => c.Level != WalCheckLevel.Ok).Select(c => $"{c.Name}: {c.Text}");
            var data = result.Checks.Where(c => c.Value is not null).ToDictionary(c => c.Name, c => (object)c.Value!.Value, StringComparer.Ordinal);
            return new HealthCheckResult(status, string.Join(" ", texts), null, data);
        }
    }

    private sealed class DrillHealth(DrillRounds rounds, TimeSpan maxAge) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(rounds.Health(maxAge, context.Registration.FailureStatus));
    }
}
