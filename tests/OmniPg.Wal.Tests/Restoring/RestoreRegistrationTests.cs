using Microsoft.Extensions.DependencyInjection;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Restoring;

public sealed class RestoreRegistrationTests : IDisposable
{
    private readonly RestoreFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Registered_restorer_and_repository_are_found_by_name_and_as_default()
    {
        using var meter = new MeterRecorder(WalTelemetry.Name);
        var services = new ServiceCollection();
        services.AddOmniPgWal("main")
            .AddRestorer(o => (o.DataDirectory, o.RetryTimeout) = (_fixture.Data, TimeSpan.Zero))
            .AddRestorer(o => o.Sources = [.. o.Sources, WalRestoreSource.Directory(_fixture.First)])
            .AddRepository(_ => new DirectoryObjectStore(_fixture.First));
        await using var provider = services.BuildServiceProvider();

        var restorer = provider.GetRequiredService<WalRestorer>();
        var outcome = await restorer.RestoreAsync("00000002.history", "pg_wal/RECOVERYHISTORY", TestContext.Current.CancellationToken);

        restorer.Should().BeSameAs(provider.GetRequiredKeyedService<WalRestorer>("main"));
        provider.GetRequiredService<WalRepository>().Should().BeSameAs(provider.GetRequiredKeyedService<WalRepository>("main"));
        outcome.Status.Should().Be(WalRestoreStatus.NotFound);
        meter.All.Should().Contain(m => m.Instrument == "omnipg.wal.restore.duration" && (string)m.Tags["status"]! == "not-found");
    }
}
