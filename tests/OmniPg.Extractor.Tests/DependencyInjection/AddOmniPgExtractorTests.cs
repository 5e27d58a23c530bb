using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace OmniPg.Extractor.Tests.DependencyInjection;

public sealed class AddOmniPgExtractorTests
{
    [Fact]
    public void Extractor_is_one_singleton()
    {
        using var provider = new ServiceCollection().AddOmniPgExtractor(o => o.Retries = 2).AddOmniPgExtractor().BuildServiceProvider();

        provider.GetRequiredService<IPgExtractor>().Should().BeSameAs(provider.GetRequiredService<SchemaExtractor>());
        provider.GetServices<IPgExtractor>().Should().ContainSingle();
    }

    [Fact]
    public void Configuration_is_bound()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["E:LockTimeout"] = "00:00:05", ["E:Tools:BinDirectory"] = "/opt/pg/bin",
        }).Build();
        using var provider = new ServiceCollection().AddOmniPgExtractor(configuration.GetSection("E")).BuildServiceProvider();

        var options = provider.GetRequiredService<IOptions<ExtractorOptions>>().Value;

        options.LockTimeout.Should().Be(TimeSpan.FromSeconds(5));
        options.Tools.BinDirectory.Should().Be("/opt/pg/bin");
        options.Retries.Should().Be(1);
    }

    [Fact]
    public void All_wrong_options_are_reported_at_once()
    {
        using var provider = new ServiceCollection()
            .AddOmniPgExtractor(o => (o.LockTimeout, o.Retries, o.Encoding) = (TimeSpan.Zero, 11, " ")).BuildServiceProvider();

        var act = () => provider.GetRequiredService<IPgExtractor>();

        act.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(3);
    }
}
