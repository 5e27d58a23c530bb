using System.Globalization;
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

    /// <summary>Reads options from configuration without reflection. A key that is absent leaves the option as it is.</summary>
    /// <remarks>By hand: the binder's generator refuses options that hold a data source (SYSLIB1100, SYSLIB1101).</remarks>
    private static class JobmonConfiguration
    {
        public static void Apply(IConfiguration section, JobmonOptions options)
        {
            Text(section, nameof(options.ConnectionString), value => options.ConnectionString = value);
            Text(section, nameof(options.DataSourceKey), value => options.DataSourceKey = value);
            Text(section, nameof(options.Schema), value => options.Schema = value);
            Text(section, nameof(options.SideSchema), value => options.SideSchema = value);
            Text(section, nameof(options.SpoolDirectory), value => options.SpoolDirectory = value);
            Text(section, nameof(options.ClientName), value => options.ClientName = value);
            Text(section, nameof(options.PgCronConnectionString), value => options.PgCronConnectionString = value);
            Choice<ErrorPolicy>(section, nameof(options.ErrorPolicy), value => options.ErrorPolicy = value);
            Choice<DisposeBehavior>(section, nameof(options.DisposeBehavior), value => options.DisposeBehavior = value);
            Choice<LivenessMode>(section, nameof(options.Liveness), value => options.Liveness = value);
            Value<TimeSpan>(section, nameof(options.FlushInterval), value => options.FlushInterval = value);
            Value<TimeSpan>(section, nameof(options.HeartbeatInterval), value => options.HeartbeatInterval = value);
            Value<TimeSpan>(section, nameof(options.DeadAfter), value => options.DeadAfter = value);
            Value<TimeSpan>(section, nameof(options.ConnectTimeout), value => options.ConnectTimeout = value);
            Value<TimeSpan>(section, nameof(options.CommandTimeout), value => options.CommandTimeout = value);
            Value<TimeSpan>(section, nameof(options.PgCronStartGrace), value => options.PgCronStartGrace = value);
            Value<int>(section, nameof(options.MaxMessageBytes), value => options.MaxMessageBytes = value);
            Value<int>(section, nameof(options.MaxJobNameBytes), value => options.MaxJobNameBytes = value);
            Value<int>(section, nameof(options.MaxBufferedEvents), value => options.MaxBufferedEvents = value);
            Value<int>(section, nameof(options.MaxLogLines), value => options.MaxLogLines = value);
            Value<bool>(section, nameof(options.RelaxedStartDurability), value => options.RelaxedStartDurability = value);
            Value<bool>(section, nameof(options.PgCron), value => options.PgCron = value);
        }

        private static void Text(IConfiguration section, string key, Action<string> set)
        {
            if (section[key] is { Length: > 0 } text)
                set(text);
        }

        private static void Choice<T>(IConfiguration section, string key, Action<T> set)
            where T : struct, Enum => Text(section, key, text => set(Enum.TryParse<T>(text, ignoreCase: true, out var value) ? value : throw IsNo<T>(text, key)));

        private static void Value<T>(IConfiguration section, string key, Action<T> set)
            where T : IParsable<T> => Text(section, key, text => set(T.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value : throw IsNo<T>(text, key)));

        private static InvalidOperationException IsNo<T>(string text, string key) => new($"Configuration value '{text}' of '{key}' is not a {typeof(T).Name}.");
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
