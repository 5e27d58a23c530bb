using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Jobmon;
using OmniPg.Partman;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers partition sets with a service container.</summary>
public static class OmniPgPartmanServiceCollectionExtensions
{
    /// <summary>Registers the sets of the database of the registered data source as <see cref="IPartman"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets options; <see langword="null"/> means all defaults.</param>
    /// <returns>A builder for the scheduler.</returns>
    public static OmniPgPartmanBuilder AddOmniPgPartman(this IServiceCollection services, Action<PartmanOptions>? configure = null) => services.AddOmniPgPartman("", configure);

    /// <summary>Registers a named client beside others, as a keyed <see cref="IPartman"/>; the first one is also the unkeyed default.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name and service key.</param>
    /// <param name="configure">Sets options; <see langword="null"/> means all defaults.</param>
    /// <returns>A builder for the scheduler.</returns>
    /// <remarks>
    /// The data source is the registered one, or the keyed one that <see cref="PartmanOptions.DataSourceKey"/> names. A registered <see cref="IJobmon"/> logs
    /// the runs.
    /// </remarks>
    public static OmniPgPartmanBuilder AddOmniPgPartman(this IServiceCollection services, string name, Action<PartmanOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(name);

        services.TryAddSingleton(TimeProvider.System);
        OptionsCheck.Add<PartmanOptions>(services, name).Configure(options => configure?.Invoke(options));
        services.TryAddKeyedSingleton<IPartman>(name, static (provider, key) => Create(provider, (string)key!));
        services.TryAddSingleton(provider => provider.GetRequiredKeyedService<IPartman>(name));
        return new OmniPgPartmanBuilder(services, name);
    }

    /// <summary>
    /// Adds <see cref="IPartman.CheckAsync"/> as a health check: a warning is degraded, a critical finding unhealthy. Its data has one entry for each set with
    /// findings.
    /// </summary>
    /// <param name="builder">The health checks of the application.</param>
    /// <param name="name">Name of the check. Default <c>omnipg-partman</c>.</param>
    /// <param name="failureStatus">Status when the sets cannot be checked. Default <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">Tags to select the check by.</param>
    /// <param name="timeout">Time limit of the check. Default none.</param>
    /// <remarks>Uses the registered <see cref="IPartman"/>.</remarks>
    /// <returns>The same builder.</returns>
    public static IHealthChecksBuilder AddOmniPgPartman(
        this IHealthChecksBuilder builder, string name = "omnipg-partman", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return builder.Add(new HealthCheckRegistration(name, services => new SetHealth(() => services.GetRequiredService<IPartman>()), failureStatus, tags, timeout));
    }

    private static PartmanClient Create(IServiceProvider provider, string name)
    {
        var options = provider.GetRequiredService<IOptionsMonitor<PartmanOptions>>().Get(name);
        var source = options.DataSourceKey is { } key ? provider.GetRequiredKeyedService<NpgsqlDataSource>(key) : provider.GetRequiredService<NpgsqlDataSource>();
        return new PartmanClient(source, options, provider.GetService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>(), provider.GetService<IJobmon>(),
            provider.GetKeyedService<OmniPg.IObjectStore>(OmniPgPartmanBuilder.ArchiveKey(name)));
    }

    private sealed class SetHealth(Func<IPartman> partman) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            try
            {
                var result = await partman().CheckAsync(cancellationToken).ConfigureAwait(false);
                var status = result.Worst switch { FindingLevel.Ok => HealthStatus.Healthy, FindingLevel.Warning => HealthStatus.Degraded, _ => HealthStatus.Unhealthy };
                var data = result.Findings.GroupBy(f => f.Table, StringComparer.Ordinal).ToDictionary(g => g.Key, g => (object)string.Join("; ", g.Select(f => f.Text)), StringComparer.Ordinal);
                return new HealthCheckResult(status, string.Join("; ", result.Findings.OrderByDescending(f => f.Level).Take(5).Select(f => f.Text)), null, data);
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                return new HealthCheckResult(context.Registration.FailureStatus, "The partition sets could not be checked: " + error.Message, error);
            }
        }
    }
}
