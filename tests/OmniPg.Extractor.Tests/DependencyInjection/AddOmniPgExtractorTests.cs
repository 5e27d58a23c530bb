using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace OmniPg.Extractor.Tests.DependencyInjection;

public sealed class AddOmniPgExtractorTests
{
    [Fact]
    public void Extractor_is_one_singleton()
    {
        var services = new ServiceCollection();
        services.AddOmniPgExtractor(o => o.Retries = 2);
        services.AddOmniPgExtractor();
        using var provider = services.BuildServiceProvider();

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
        using var provider = new ServiceCollection().AddOmniPgExtractor(configuration.GetSection("E")).Services.BuildServiceProvider();

        var options = provider.GetRequiredService<IOptions<ExtractorOptions>>().Value;

        options.LockTimeout.Should().Be(TimeSpan.FromSeconds(5));
        options.Tools.BinDirectory.Should().Be("/opt/pg/bin");
        options.Retries.Should().Be(1);
    }

    [Fact]
    public void All_wrong_options_are_reported_at_once()
    {
        using var provider = new ServiceCollection()
            .AddOmniPgExtractor(o => (o.LockTimeout, o.Retries, o.Encoding) = (TimeSpan.Zero, 11, " ")).Services.BuildServiceProvider();

        var act = () => provider.GetRequiredService<IPgExtractor>();

        act.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(3);
    }

    [Fact]
    public void Named_extractors_stand_beside_each_other_and_the_first_is_the_default()
    {
        var services = new ServiceCollection();
        services.AddOmniPgExtractor("main", o => o.Retries = 2).Name.Should().Be("main");
        services.AddOmniPgExtractor("archive", new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["E:Retries"] = "3" }).Build().GetSection("E"));
        using var provider = services.BuildServiceProvider();

        provider.GetRequiredService<IPgExtractor>().Should().BeSameAs(provider.GetRequiredKeyedService<SchemaExtractor>("main"));
        provider.GetRequiredKeyedService<IPgExtractor>("archive").Should().NotBeSameAs(provider.GetRequiredService<IPgExtractor>());
        provider.GetRequiredService<IOptionsMonitor<ExtractorOptions>>().Get("archive").Retries.Should().Be(3);
    }

    [Fact]
    public void Constructor_refuses_what_the_host_refuses()
    {
        var act = () => new SchemaExtractor(new ExtractorOptions { Retries = -5, Encoding = "" });

        act.Should().Throw<OptionsValidationException>().Which.Failures.Should().Equal(
            "Retries is '-5', it must lie between 0 and 10.", "Encoding is empty, it must name an encoding of PostgreSQL.");
    }

    [Fact]
    public async Task Extraction_reports_everything_wrong_with_its_options_at_once_before_it_starts()
    {
        var options = new ExtractionOptions { CleanIfExists = true, RoleFiles = true, MaxDegreeOfParallelism = 0, Encoding = "UTF8" };

        var act = () => new SchemaExtractor().FromArchive("/nowhere").RunAsync("/nowhere/tree", options);

        (await act.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().Equal(
            "MaxDegreeOfParallelism is '0', it must be at least '1'.", "CleanIfExists needs Clean.", "RoleFiles needs Roles.",
            "Encoding cannot be set: the encoding of an archive that exists already is in it.");
    }
}
