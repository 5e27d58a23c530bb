using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Monitoring;

/// <summary>The monitor as a program and as a health check.</summary>
[Collection(nameof(MonitorCollection))]
public sealed class MonitorVerbTests(MonitorScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_program_tells_what_the_library_finds_and_its_exit_code_follows_the_limits()
    {
        await scene.HealthyAsync();
        await File.WriteAllTextAsync(scene.Hold, "", Token);
        await scene.SwitchAsync();
        await scene.SwitchAsync();

        var nagios = await RunAsync("-c", "backlog_age", "-c", "Backlog", "--critical", "backlog=1", "--format", "nagios");
        var json = await RunAsync("--format", "json");
        var unknown = await WalProgram.RunAsync("monitor", "--check", "rpo", "--archive", scene.Archive, "--format", "nagios");

        (nagios.ExitCode, json.ExitCode, unknown.ExitCode).Should().Be((2, 0, 3), "{0}{1}", json.Output, json.Error);
        nagios.Output.Should().MatchRegex(@"^OMNIPG_WAL CRITICAL - backlog: '2' files wait to be archived, first '[0-9A-F]{24}'\. \| backlog=2;16;1 backlog-age=[0-9.]+s;300;900\n$");
        unknown.Output.Should().Be("OMNIPG_WAL UNKNOWN - rpo: No server is named.\n");
        var root = JsonDocument.Parse(json.Output).RootElement;
        root.GetProperty("worst").GetString().Should().Be("ok");
        root.GetProperty("durableLsn").GetString().Should().NotBe(root.GetProperty("serverLsn").GetString());
        root.GetProperty("checks").EnumerateArray().Select(c => c.GetProperty("name").GetString()).Should().Equal(
            "server", "repository", "archiver", "backlog", "backlog-age", "gaps", "rpo", "rpo-bytes");
    }

    [Fact]
    public async Task What_keeps_the_monitor_from_looking_is_told_in_the_line_of_a_plugin()
    {
        var result = await WalProgram.RunAsync("monitor", "--archive", scene.Archive, "--key", "/no/such/key", "--format", "nagios");

        result.ExitCode.Should().Be(3);
        result.Output.Should().StartWith("OMNIPG_WAL UNKNOWN - ").And.Contain("/no/such/key");
    }

    [Fact]
    public async Task The_health_check_of_a_host_follows_the_monitor()
    {
        await scene.HealthyAsync();
        var services = new ServiceCollection();
        services.AddOmniPgWal().AddMonitor(_ => scene.Server.DataSource, _ => scene.ArchiveStore, configure: o => o.Checks = [WalCheck.Backlog]);
        services.AddOmniPgWal("strict").AddMonitor(
            _ => scene.Server.DataSource, _ => scene.ArchiveStore, configure: o => (o.Checks, o.Thresholds) = ([WalCheck.Backlog], new Dictionary<WalCheck, WalThreshold> { [WalCheck.Backlog] = new(0, 0) }));
        services.AddHealthChecks().AddOmniPgMonitor().AddOmniPgMonitor("strict", monitor: "strict");
        await using var provider = services.AddLogging().BuildServiceProvider();

        var good = await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token);
        await File.WriteAllTextAsync(scene.Hold, "", Token);
        await scene.SwitchAsync();
        var bad = await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token);

        (good.Status, bad.Entries["omnipg-monitor"].Status, bad.Entries["strict"].Status).Should().Be((HealthStatus.Healthy, HealthStatus.Healthy, HealthStatus.Unhealthy));
        bad.Entries["strict"].Description.Should().StartWith("backlog: '1' files wait to be archived");
        bad.Entries["strict"].Data.Should().Equal(new Dictionary<string, object> { ["backlog"] = 1d });
        provider.GetRequiredService<WalMonitor>().Should().BeSameAs(provider.GetRequiredKeyedService<WalMonitor>(""));
    }

    [Fact]
    public void Options_that_cannot_work_are_refused_together_and_a_monitor_of_nothing_too()
    {
        var options = new WalMonitorOptions { Checks = [(WalCheck)99], Slot = "", Timeout = TimeSpan.Zero, Thresholds = new Dictionary<WalCheck, WalThreshold> { [WalCheck.Rpo] = new(2, 1) } };

        FluentActions.Invoking(() => new WalMonitor(null, new MemoryObjectStore(), null, options)).Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(4);
        FluentActions.Invoking(() => new WalMonitor(null, null)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => new ServiceCollection().AddOmniPgWal().AddMonitor(null, null)).Should().Throw<ArgumentException>();
    }

    private Task<ProgramResult> RunAsync(params string[] words) =>
        WalProgram.RunAsync(["monitor", "--connection", scene.Server.ConnectionString, "--archive", scene.Archive, .. words]);
}
