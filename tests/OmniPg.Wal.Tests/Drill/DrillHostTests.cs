using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;

namespace OmniPg.Wal.Tests.Drill;

/// <summary>Drills of a host, and what its health check says of the last one.</summary>
[Collection(nameof(BackupCollection))]
public sealed class DrillHostTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_health_check_waits_for_a_drill_tells_its_verdict_and_notices_when_none_follows()
    {
        var (store, backup) = await scene.MadeAsync();
        var archive = await scene.PlainArchiveAsync();
        var scratch = Directory.CreateDirectory(scene.Fresh("s")).FullName;
        ServerAccount.Own(scratch);
        var clock = new ShiftedClock();
        await using var services = Services(clock, builder => builder.AddDrill(
            _ => store, _ => archive,
            options => (options.RestoreCommand, options.ScratchDirectory, options.BinDirectory, options.Checks) = ($"cp '{archive.Root}/%f' '%p'", scratch, scene.Server.BinDirectory, RestoreDrillChecks.None),
            every: TimeSpan.FromDays(1)));
        var before = await HealthAsync(services);

        var hosted = services.GetServices<IHostedService>().OfType<BackgroundService>().Single();
        await hosted.StartAsync(Token);
        await Eventually.TrueAsync(async () => (await HealthAsync(services)).Status == HealthStatus.Healthy, "a drill has ended", TimeSpan.FromSeconds(60), Token);
        var after = await HealthAsync(services);
        await hosted.StopAsync(Token);
        clock.Offset = TimeSpan.FromHours(51);
        var late = await HealthAsync(services);
        (clock.Offset, clock.Passed) = (TimeSpan.FromDays(-10), TimeSpan.FromHours(51));
        var setBack = await HealthAsync(services);

        (setBack.Status, setBack.Description!.Contains("more than '2.02:00:00'", StringComparison.Ordinal)).Should().Be((HealthStatus.Unhealthy, true), "a clock that is set back makes it no younger");
        (before.Status, before.Description).Should().Be((HealthStatus.Degraded, "No drill has ended since the start."));
        after.Description.Should().Contain($"'{backup.Id}'");
        after.Data.Should().ContainKeys("verdict", "restoreSeconds", "replaySeconds", "reached");
        late.Status.Should().Be(HealthStatus.Unhealthy);
        late.Description.Should().Contain("more than '2.02:00:00'");
        Directory.GetFileSystemEntries(scratch).Should().BeEmpty();
    }

    [Fact]
    public async Task A_first_drill_that_never_ends_is_a_failure_once_it_is_older_than_one_may_be()
    {
        var clock = new ShiftedClock();
        await using var services = Services(clock, builder => builder.AddDrill(_ => new MemoryObjectStore(), null, _ => { }, every: TimeSpan.FromDays(1)));
        var before = await HealthAsync(services);

        clock.Offset = TimeSpan.FromHours(51);
        var late = await HealthAsync(services);

        (before.Status, late.Status).Should().Be((HealthStatus.Degraded, HealthStatus.Unhealthy));
        late.Description.Should().StartWith("No drill has ended since the start, '2.03:").And.EndWith("ago, more than '2.02:00:00'.");
    }

    [Fact]
    public async Task A_clock_that_is_set_back_hides_no_drill_that_does_not_come()
    {
        var clock = new ShiftedClock();
        await using var services = Services(clock, builder => builder.AddDrill(_ => new DirectoryObjectStore("/nowhere/at/all"), null, _ => { }, every: TimeSpan.FromDays(1)));
        clock.Offset = TimeSpan.FromDays(-10);
        var early = await HealthAsync(services);

        clock.Passed = TimeSpan.FromHours(51);
        var late = await HealthAsync(services);

        (early.Status, late.Status).Should().Be((HealthStatus.Degraded, HealthStatus.Unhealthy));
        late.Description.Should().StartWith("No drill has ended since the start, '2.03:");
    }

    [Fact]
    public async Task A_drill_that_cannot_run_is_the_failure_that_the_registration_asks_for_and_the_next_one_has_its_turn()
    {
        await using var services = Services(TimeProvider.System, builder => builder.AddDrill(
            _ => new DirectoryObjectStore("/nowhere/at/all"), null, _ => { }, every: TimeSpan.FromDays(1)));
        var hosted = services.GetServices<IHostedService>().OfType<BackgroundService>().Single();

        await hosted.StartAsync(Token);
        await Eventually.TrueAsync(async () => (await HealthAsync(services)).Exception is not null, "the drill has failed", TimeSpan.FromSeconds(60), Token);
        var health = await HealthAsync(services);

        hosted.ExecuteTask!.IsCompleted.Should().BeFalse("the next drill has its turn");
        await hosted.StopAsync(Token);
        health.Status.Should().Be(HealthStatus.Unhealthy);
        health.Description.Should().Contain("could not run").And.Contain("/nowhere/at/all");
    }

    [Fact]
    public void Options_that_cannot_work_and_a_period_that_is_none_are_refused()
    {
        using var services = Services(TimeProvider.System, builder => builder.AddDrill(_ => new MemoryObjectStore(), null, o => (o.User, o.ScratchDirectory) = ("", "")));

        var failure = FluentActions.Invoking(() => services.GetRequiredService<RestoreDrill>()).Should().Throw<OptionsValidationException>().Which;
        var period = FluentActions.Invoking(() => Services(TimeProvider.System, builder => builder.AddDrill(_ => new MemoryObjectStore(), null, _ => { }, TimeSpan.Zero)));

        failure.Failures.Should().HaveCount(2);
        period.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("every");
    }

    private static ServiceProvider Services(TimeProvider clock, Action<OmniPgWalBuilder> add)
    {
        var services = new ServiceCollection().AddSingleton(clock);
        add(services.AddOmniPgWal());
        services.AddHealthChecks().AddOmniPgDrill();
        return services.AddLogging().BuildServiceProvider();
    }

    private static async Task<HealthReportEntry> HealthAsync(IServiceProvider services) => (await services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token)).Entries["omnipg-drill"];
}
