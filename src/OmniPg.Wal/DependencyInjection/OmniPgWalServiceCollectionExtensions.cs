using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OmniPg.Wal;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers WAL archivers.</summary>
public static class OmniPgWalServiceCollectionExtensions
{
    /// <summary>Registers an archiver, keyed by its name; the first one is also the default <see cref="IWalArchiver"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name of the archiver and of its options.</param>
    /// <param name="configure">Sets the options; may be <see langword="null"/> when they are configured elsewhere.</param>
    /// <returns>A builder for more.</returns>
    public static OmniPgWalArchiverRegistration AddOmniPgWalArchiver(this IServiceCollection services, string name, Action<WalArchiveOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(name);

        services.TryAddSingleton(TimeProvider.System);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<WalArchiveOptions>, WalArchiveOptionsValidator>());
        services.AddOptions<WalArchiveOptions>(name).Configure(o => configure?.Invoke(o)).ValidateOnStart();
        services.TryAddKeyedSingleton(name, static (provider, key) => Create(provider, (string)key!));
        services.TryAddKeyedSingleton<IWalArchiver>(name, static (provider, key) => provider.GetRequiredKeyedService<WalArchiver>(key));
        services.TryAddSingleton(provider => provider.GetRequiredKeyedService<WalArchiver>(name));
        services.TryAddSingleton<IWalArchiver>(provider => provider.GetRequiredKeyedService<WalArchiver>(name));
        return new OmniPgWalArchiverRegistration(services, name);
    }

    /// <summary>Registers an archiver from a configuration section, such as <c>"OmniPg:Wal"</c>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name of the archiver and of its options.</param>
    /// <param name="section">Keys are the properties of <see cref="WalArchiveOptions"/>.</param>
    /// <returns>A builder for more.</returns>
    public static OmniPgWalArchiverRegistration AddOmniPgWalArchiver(this IServiceCollection services, string name, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        return services.AddOmniPgWalArchiver(name, options => section.Bind(options));
    }

    private static WalArchiver Create(IServiceProvider provider, string name) => new(
        provider.GetRequiredService<IOptionsMonitor<WalArchiveOptions>>().Get(name),
        provider.GetService<ILoggerFactory>(),
        provider.GetRequiredService<TimeProvider>());
}
