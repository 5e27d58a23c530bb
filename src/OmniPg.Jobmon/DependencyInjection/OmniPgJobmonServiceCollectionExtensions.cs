using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
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

    /// <summary>Registers <see cref="IJobmon"/> with options from configuration.</summary>
    /// <param name="services">The services.</param>
    /// <param name="section">
    /// Section whose keys are the names of <see cref="JobmonOptions"/>; times as <c>hh:mm:ss</c>. It is read once. What is no text
    /// (<see cref="JobmonOptions.MessageFilter"/> and the data sources) cannot stand there.
    /// </param>
    /// <returns>A builder for data source, background services and log capture.</returns>
    public static OmniPgJobmonBuilder AddOmniPgJobmon(this IServiceCollection services, IConfiguration section) =>
        services.AddOmniPgJobmon(Options.Options.DefaultName, section);

    /// <summary>Registers a named log beside others, with options from configuration.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name and service key.</param>
    /// <param name="section">Section whose keys are the names of <see cref="JobmonOptions"/>; times as <c>hh:mm:ss</c>.</param>
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

    private static JobmonClient Create(IServiceProvider provider, string name)
    {
        var options = provider.GetRequiredService<IOptionsMonitor<JobmonOptions>>().Get(name);
        var source = provider.GetKeyedService<JobmonDataSource>(name)?.Get(provider)
            ?? (options.DataSourceKey is { } key ? provider.GetRequiredKeyedService<NpgsqlDataSource>(key) : provider.GetService<NpgsqlDataSource>());
        var owned = source is null && options.ConnectionString is { } text ? NpgsqlDataSource.Create(text) : null;
        return new JobmonClient(
            source ?? owned ?? throw new InvalidOperationException(
                "The job log has no data source: register a NpgsqlDataSource, call UseDataSource, or set JobmonOptions.ConnectionString."),
            options, provider.GetService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>(), owned);
    }
}
