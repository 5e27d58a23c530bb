using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OmniPg;
using OmniPg.Wal;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers WAL restorers and repositories.</summary>
public static class OmniPgWalRestoreServiceCollectionExtensions
{
    /// <summary>Registers a restorer, keyed by its name; the first one is also the default <see cref="IWalRestorer"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name of the restorer and of its options.</param>
    /// <param name="configure">Sets the options; sources are added here. They are checked when the restorer is first resolved.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddOmniPgWalRestorer(this IServiceCollection services, string name, Action<WalRestoreOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(configure);
        services.TryAddSingleton(TimeProvider.System);
        services.AddOptions<WalRestoreOptions>(name).Configure(configure);
        services.TryAddKeyedSingleton(name, static (provider, key) => Create(provider, (string)key!));
        services.TryAddKeyedSingleton<IWalRestorer>(name, static (provider, key) => provider.GetRequiredKeyedService<WalRestorer>(key));
        services.TryAddSingleton(provider => provider.GetRequiredKeyedService<WalRestorer>(name));
        services.TryAddSingleton<IWalRestorer>(provider => provider.GetRequiredKeyedService<WalRestorer>(name));
        return services;
    }

    /// <summary>Registers a repository, keyed by its name; the first one is also the default <see cref="IWalRepository"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name of the repository.</param>
    /// <param name="store">Makes or finds its store; the repository does not dispose it.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddOmniPgWalRepository(this IServiceCollection services, string name, Func<IServiceProvider, IObjectStore> store)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(store);
        services.TryAddKeyedSingleton<IWalRepository>(name, (provider, _) => new WalRepository(store(provider), provider.GetService<ILoggerFactory>()));
        services.TryAddSingleton(provider => provider.GetRequiredKeyedService<IWalRepository>(name));
        return services;
    }

    private static WalRestorer Create(IServiceProvider provider, string name) => new(
        provider.GetRequiredService<IOptionsMonitor<WalRestoreOptions>>().Get(name),
        provider.GetService<ILoggerFactory>(),
        provider.GetRequiredService<TimeProvider>());
}
