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
        services.AddOmniPgWal("main").AddArchiver(o => o.Destinations = [new() { Directory = "/mnt/a", Codec = "gzip" }]);
        services.AddOmniPgWal("second").AddArchiver(o => o.Destinations = [new() { Directory = "/mnt/b" }]);
        await using var provider = services.BuildServiceProvider();

        var main = provider.GetRequiredKeyedService<WalArchiver>("main");

        provider.GetRequiredService<WalArchiver>().Should().BeSameAs(main);
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
        services.AddOmniPgWal("main").AddArchiver(configuration.GetSection("Wal"));
        await using var provider = services.BuildServiceProvider();

        var act = () => provider.GetRequiredService<IOptionsMonitor<WalArchiveOptions>>().Get("main");

        act.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(2)
            .And.Contain(f => f.Contains("StateDirectory")).And.Contain(f => f.Contains("'snappy'"));
    }

    [Fact]
    public async Task Options_of_archiver_and_resident_mode_are_those_of_the_configuration()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Wal:Timeout"] = "00:00:30",
            ["Wal:Destinations:0:Pipe"] = "/bin/cat",
            ["Wal:Destinations:0:PipeArguments:0"] = "-u",
            ["Wal:Destinations:0:Codec"] = "zstd",
            ["Wal:Destinations:0:Level"] = "3",
            ["Resident:SpoolDirectory"] = "/var/spool/omnipg",
            ["Resident:ProcessMax"] = "5",
        }).Build();
        var services = new ServiceCollection();
        services.AddOmniPgWal().AddArchiver(configuration.GetSection("Wal")).AddResident(configuration.GetSection("Resident"));
        await using var provider = services.BuildServiceProvider();

        var archive = provider.GetRequiredService<WalArchiver>().Options;
        var resident = provider.GetRequiredService<IOptions<WalResidentOptions>>().Value;

        archive.Timeout.Should().Be(TimeSpan.FromSeconds(30));
        archive.Destinations.Should().ContainSingle().Which.Should().BeEquivalentTo(new WalDestinationOptions { Pipe = "/bin/cat", PipeArguments = ["-u"], Codec = "zstd", Level = 3 });
        (resident.SpoolDirectory, resident.ProcessMax).Should().Be(("/var/spool/omnipg", 5));
    }

    [Fact]
    public void A_host_whose_options_cannot_work_does_not_start_and_names_all_that_is_wrong()
    {
        var services = new ServiceCollection();
        services.AddOmniPgWal().AddArchiver(o => o.DataDirectory = "").AddResident(o => o.ProcessMax = 65).AddRestorer(o => o.RetryTimeout = TimeSpan.FromSeconds(-1));
        using var provider = services.BuildServiceProvider();

        var start = () => provider.GetRequiredService<IStartupValidator>().Validate();

        start.Should().Throw<AggregateException>().Which.InnerExceptions.Cast<OptionsValidationException>().SelectMany(e => e.Failures).Should().BeEquivalentTo(
            "DataDirectory '' must not be empty.",
            "Destinations is empty: name at least one.",
            "SpoolDirectory '' must not be empty.",
            "ProcessMax '65' must be between '1' and '64'.",
            "Sources is empty: a restore needs at least one.",
            "RetryTimeout '-00:00:01' must not be negative.");
    }
}
