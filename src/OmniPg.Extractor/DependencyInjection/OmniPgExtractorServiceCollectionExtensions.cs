using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OmniPg;
using OmniPg.Extractor;
using OmniPg.Extractor.DependencyInjection;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registration of OmniPg.Extractor.</summary>
public static class OmniPgExtractorServiceCollectionExtensions
{
    /// <summary>Registers <see cref="IPgExtractor"/> and <see cref="SchemaExtractor"/> as singletons.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets options; null for the defaults. They are checked when the host starts.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddOmniPgExtractor(this IServiceCollection services, Action<ExtractorOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<ExtractorOptions>, ExtractorOptionsValidator>());
        services.AddOptions<ExtractorOptions>().Configure(options => configure?.Invoke(options)).ValidateOnStart();
        services.TryAddSingleton(static provider => new SchemaExtractor(
            provider.GetRequiredService<IOptions<ExtractorOptions>>().Value,
            provider.GetService<IProcessLauncher>(),
            provider.GetService<ILoggerFactory>(),
            provider.GetRequiredService<TimeProvider>()));
        services.TryAddSingleton<IPgExtractor>(static provider => provider.GetRequiredService<SchemaExtractor>());
        return services;
    }

    /// <summary>Registers the extractor with options from a configuration section, for example <c>OmniPg:Extractor</c>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="section">Section with the properties of <see cref="ExtractorOptions"/>.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddOmniPgExtractor(this IServiceCollection services, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        services.AddOmniPgExtractor();
        services.AddOptions<ExtractorOptions>().Bind(section);
        return services;
    }
}
