using Microsoft.Extensions.DependencyInjection;

namespace OmniPg.Extractor;

/// <summary>A registered extractor.</summary>
/// <param name="services">The services.</param>
/// <param name="name">Name of the extractor and of its options.</param>
public sealed class OmniPgExtractorBuilder(IServiceCollection services, string name)
{
    /// <summary>The services.</summary>
    public IServiceCollection Services { get; } = services;

    /// <summary>Name of the extractor and of its options; empty for the only one.</summary>
    public string Name { get; } = name;
}
