using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Jobmon;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers the job log.</summary>
public static class OmniPgJobmonServiceCollectionExtensions
{
    /// <summary>Registers <see cref="IJobmon"/> as a singleton.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets options; null means all defaults.</param>
    /// <returns>A builder for data source, background services and log capture.</returns>
    /// <remarks>
    /// The data source comes from <see cref="OmniPgJobmonBuilder.UseDataSource(NpgsqlDataSource)"/>, else from the registered
    /// <see cref="NpgsqlDataSource"/> (by <see cref="JobmonOptions.DataSourceKey"/> if set), else one is made from
    /// <see cref="JobmonOptions.ConnectionString"/>. Options are validated when the host starts, all at once.
    /// </remarks>
    public static OmniPgJobmonBuilder AddOmniPgJobmon(this IServiceCollection services, Action<JobmonOptions>? configure = null) =>
        services.AddOmniPgJobmon(Options.Options.DefaultName, configure);

    /// <inheritdoc cref="AddOmniPgJobmon(IServiceCollection, string, IConfiguration)"/>
    public static OmniPgJobmonBuilder AddOmniPgJobmon(this IServiceCollection services, IConfiguration section) =>
        services.AddOmniPgJobmon(Options.Options.DefaultName, section);

    /// <summary>Registers <see cref="IJobmon"/> with options from configuration; with a name, beside others.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name and service key.</param>
    /// <param name="section">
    /// Section whose keys are the names of <see cref="JobmonOptions"/>; times as <c>hh:mm:ss</c>. It is read once. What is no text
    /// (<see cref="JobmonOptions.MessageFilter"/> and the data sources) cannot stand there.
    /// </param>
    /// <returns>A builder for data source, background services and log capture.</returns>
    public static OmniPgJobmonBuilder AddOmniPgJobmon(this IServiceCollection services, string name, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        return services.AddOmniPgJobmon(name, options => JobmonConfiguration.Apply(section, options));
    }

    /// <summary>Registers a named log beside others, as a keyed <see cref="IJobmon"/>; the first one is also the unkeyed default.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name and service key.</param>
    /// <param name="configure">Sets options; null means all defaults.</param>
    /// <returns>A builder for data source, background services and log capture of this log.</returns>
    public static OmniPgJobmonBuilder AddOmniPgJobmon(this IServiceCollection services, string name, Action<JobmonOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(name);

        services.TryAddSingleton(TimeProvider.System);
        OptionsCheck.Add<JobmonOptions>(services, name).Configure(options => configure?.Invoke(options));
        services.TryAddKeyedSingleton<IJobmon>(name, static (provider, key) => Create(provider, (string)key!));
        services.TryAddSingleton(provider => provider.GetRequiredKeyedService<IJobmon>(name));
        return new OmniPgJobmonBuilder(services, name);
    }

    /// <summary>
    /// Adds <see cref="IJobMonitor.CheckAsync"/> as a health check: level 1 is healthy, 2 degraded, from 3 on unhealthy. Its data has one
    /// entry for each job with an alert.
    /// </summary>
    /// <param name="builder">The health checks of the application.</param>
    /// <param name="name">Name of the check. Default <c>omnipg-jobmon</c>.</param>
    /// <param name="failureStatus">Status when the log cannot be checked. Default <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">Tags to select the check by.</param>
    /// <param name="timeout">Time limit of the check. Default none.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>Uses the registered <see cref="IJobmon"/>.</remarks>
    public static IHealthChecksBuilder AddOmniPgJobmon(
        this IHealthChecksBuilder builder, string name = "omnipg-jobmon", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null,
        TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return builder.Add(new HealthCheckRegistration(
            name, services => new LogHealth(() => services.GetRequiredService<IJobmon>().Monitor), failureStatus, tags, timeout));
    }

    private static JobmonClient Create(IServiceProvider provider, string name)
    {
        var options = provider.GetRequiredService<IOptionsMonitor<JobmonOptions>>().Get(name);
        var source = provider.GetKeyedService<OmniPgJobmonBuilder.Source>(name)?.Get(provider)
            ?? (options.DataSourceKey is { } key ? provider.GetRequiredKeyedService<NpgsqlDataSource>(key) : provider.GetService<NpgsqlDataSource>());
        var owned = source is null && options.ConnectionString is { } text ? NpgsqlDataSource.Create(text) : null;
        return new JobmonClient(
            source ?? owned ?? throw new InvalidOperationException(
                "The job log has no data source: register a NpgsqlDataSource, call UseDataSource, or set JobmonOptions.ConnectionString."),
            options, provider.GetService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>(), owned);
    }

    internal sealed class LogHealth(Func<IJobMonitor> monitor) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            try
            {
                var check = await monitor().CheckAsync(null, cancellationToken).ConfigureAwait(false);
                var data = check.Alerts.Where(a => a.JobName is not null)
                    .GroupBy(a => a.JobName!, StringComparer.Ordinal)
                    .ToDictionary(g => g.Key, g => (object)string.Join("; ", g.Select(Describe)), StringComparer.Ordinal);
                var status = check.Worst.Code switch { <= 1 => HealthStatus.Healthy, 2 => HealthStatus.Degraded, _ => HealthStatus.Unhealthy };
                var texts = check.Alerts.Where(a => !a.Muted).Take(5).Select(WithName);
                if (check.WaitingEvents > 0)
                {
                    // What these events say is in no alert: all clear would be more than is known.
                    data["waiting events"] = check.WaitingEvents;
                    texts = texts.Prepend(string.Create(null, $"The log is offline for this process; events that wait: {check.WaitingEvents}"));
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
}
