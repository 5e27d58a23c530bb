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
        await using var provider = new ServiceCollection()
            .AddOmniPgWalRestorer("main", o => (o.DataDirectory, o.RetryTimeout) = (_fixture.Data, TimeSpan.Zero))
            .AddOmniPgWalRestorer("main", o => o.Sources.Add(WalRestoreSource.Directory(_fixture.First)))
            .AddOmniPgWalRepository("main", _ => new DirectoryObjectStore(_fixture.First))
            .BuildServiceProvider();

        var restorer = provider.GetRequiredService<IWalRestorer>();
        var outcome = await restorer.RestoreAsync("00000002.history", "pg_wal/RECOVERYHISTORY", TestContext.Current.CancellationToken);

        restorer.Should().BeSameAs(provider.GetRequiredKeyedService<IWalRestorer>("main"));
        provider.GetRequiredService<IWalRepository>().Should().BeSameAs(provider.GetRequiredKeyedService<IWalRepository>("main"));
        outcome.Status.Should().Be(WalRestoreStatus.NotFound);
        meter.All.Should().Contain(m => m.Instrument == "omnipg.wal.restore.duration" && (string)m.Tags["status"]! == "not-found");
    }
}
