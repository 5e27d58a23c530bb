using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OmniPg;
using OmniPg.Extractor;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registration of OmniPg.Extractor.</summary>
public static class OmniPgExtractorServiceCollectionExtensions
{
    /// <summary>Registers an extractor as keyed singletons <see cref="IPgExtractor"/> and <see cref="SchemaExtractor"/>; the first one is the default, too.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name of the extractor and of its options; empty for the only one.</param>
    /// <param name="configure">Sets options; null for the defaults. They are checked when the host starts.</param>
    /// <returns>A builder with the same name.</returns>
    public static OmniPgExtractorBuilder AddOmniPgExtractor(this IServiceCollection services, string name, Action<ExtractorOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(name);
        services.TryAddSingleton(TimeProvider.System);
        OptionsCheck.Add<ExtractorOptions>(services, name).Configure(options => configure?.Invoke(options));
        services.TryAddKeyedSingleton(name, static (provider, key) => new SchemaExtractor(
            provider.GetRequiredService<IOptionsMonitor<ExtractorOptions>>().Get((string)key!),
            provider.GetService<IProcessLauncher>(),
            provider.GetService<ILoggerFactory>(),
            provider.GetRequiredService<TimeProvider>()));
        services.TryAddKeyedSingleton<IPgExtractor>(name, static (provider, key) => provider.GetRequiredKeyedService<SchemaExtractor>(key));
        services.TryAddSingleton(provider => provider.GetRequiredKeyedService<SchemaExtractor>(name));
        services.TryAddSingleton<IPgExtractor>(provider => provider.GetRequiredKeyedService<SchemaExtractor>(name));
        return new OmniPgExtractorBuilder(services, name);
    }

    /// <summary>Registers the only extractor.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets options; null for the defaults. They are checked when the host starts.</param>
    /// <returns>A builder.</returns>
    public static OmniPgExtractorBuilder AddOmniPgExtractor(this IServiceCollection services, Action<ExtractorOptions>? configure = null) =>
        services.AddOmniPgExtractor("", configure);

    /// <summary>Registers an extractor with options from a configuration section, for example <c>OmniPg:Extractor</c>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name of the extractor and of its options; empty for the only one.</param>
    /// <param name="section">Section with the properties of <see cref="ExtractorOptions"/>.</param>
    /// <returns>A builder with the same name.</returns>
    public static OmniPgExtractorBuilder AddOmniPgExtractor(this IServiceCollection services, string name, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        var builder = services.AddOmniPgExtractor(name);
        services.AddOptions<ExtractorOptions>(name).Bind(section);
        return builder;
    }

    /// <summary>Registers the only extractor with options from a configuration section, for example <c>OmniPg:Extractor</c>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="section">Section with the properties of <see cref="ExtractorOptions"/>.</param>
    /// <returns>A builder.</returns>
    public static OmniPgExtractorBuilder AddOmniPgExtractor(this IServiceCollection services, IConfiguration section) =>
        services.AddOmniPgExtractor("", section);
}
