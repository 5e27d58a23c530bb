using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Jobmon;
using OmniPg.Mimeo;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers tables that are pulled from other databases with a service container.</summary>
public static class OmniPgMimeoServiceCollectionExtensions
{
    /// <summary>Registers the tables of the registered data source's database as <see cref="IMimeo"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets options; <see langword="null"/> means all defaults.</param>
    /// <returns>A builder for sources and the scheduler.</returns>
    public static OmniPgMimeoBuilder AddOmniPgMimeo(this IServiceCollection services, Action<MimeoOptions>? configure = null) => services.AddOmniPgMimeo("", configure);

    /// <summary>Registers a named client beside others, as a keyed <see cref="IMimeo"/>; the first one is also the unkeyed default.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name and service key.</param>
    /// <param name="configure">Sets options; <see langword="null"/> means all defaults.</param>
    /// <returns>A builder for sources and the scheduler.</returns>
    /// <remarks>
    /// The data source of the destination is the registered one, or the keyed one that <see cref="MimeoOptions.DataSourceKey"/> names. A registered <see cref="IJobmon"/> logs
    /// the runs.
    /// </remarks>
    public static OmniPgMimeoBuilder AddOmniPgMimeo(this IServiceCollection services, string name, Action<MimeoOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(name);

        services.TryAddSingleton(TimeProvider.System);
        OptionsCheck.Add<MimeoOptions>(services, name).Configure(options => configure?.Invoke(options));
        services.TryAddKeyedSingleton<IMimeo>(name, static (provider, key) => Create(provider, (string)key!));
        services.TryAddSingleton(provider => provider.GetRequiredKeyedService<IMimeo>(name));
        return new OmniPgMimeoBuilder(services, name);
    }

    private static MimeoClient Create(IServiceProvider provider, string name)
    {
        var options = provider.GetRequiredService<IOptionsMonitor<MimeoOptions>>().Get(name);
        var source = options.DataSourceKey is { } key ? provider.GetRequiredKeyedService<NpgsqlDataSource>(key) : provider.GetRequiredService<NpgsqlDataSource>();
        return new MimeoClient(source, options, provider.GetService<ILoggerFactory>(), provider.GetRequiredService<TimeProvider>(), provider.GetService<IJobmon>());
    }
}
