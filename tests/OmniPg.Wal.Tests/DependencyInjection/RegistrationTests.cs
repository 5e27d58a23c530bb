using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace OmniPg.Wal.Tests.DependencyInjection;

public sealed class RegistrationTests
{
    [Fact]
    public async Task An_archiver_is_found_by_its_name_and_the_first_is_the_default()
    {
        var services = new ServiceCollection();
        services.AddOmniPgWalArchiver("main", o => o.Destinations.Add(new WalDestinationOptions { Directory = "/mnt/a", Codec = "gzip" }));
        services.AddOmniPgWalArchiver("second", o => o.Destinations.Add(new WalDestinationOptions { Directory = "/mnt/b" }));
        await using var provider = services.BuildServiceProvider();

        var main = provider.GetRequiredKeyedService<IWalArchiver>("main");

        provider.GetRequiredService<IWalArchiver>().Should().BeSameAs(main);
        provider.GetRequiredKeyedService<WalArchiver>("second").Options.Destinations[0].Directory.Should().Be("/mnt/b");
    }

    [Fact]
    public async Task Options_come_from_configuration_and_all_failures_are_reported_together()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Wal:DataDirectory"] = "/data",
            ["Wal:Timeout"] = "00:00:30",
            ["Wal:Destinations:0:Directory"] = "/mnt/a",
            ["Wal:Destinations:0:Codec"] = "zstd",
            ["Wal:Destinations:0:Level"] = "3",
            ["Wal:Destinations:1:Directory"] = "/mnt/b",
            ["Wal:Destinations:1:Codec"] = "snappy",
        }).Build();
        var services = new ServiceCollection();
        services.AddOmniPgWalArchiver("main", configuration.GetSection("Wal"));
        await using var provider = services.BuildServiceProvider();

        var act = () => provider.GetRequiredService<IOptionsMonitor<WalArchiveOptions>>().Get("main");

        act.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(2)
            .And.Contain(f => f.Contains("StateDirectory")).And.Contain(f => f.Contains("'snappy'"));
    }
}
