using Microsoft.Extensions.Diagnostics.HealthChecks;
using OmniPg.Wal;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers archivers, restorers, repositories and restore drills.</summary>
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

    private sealed class DrillHealth(DrillRounds rounds, TimeSpan maxAge) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(rounds.Health(maxAge, context.Registration.FailureStatus));
    }
}
