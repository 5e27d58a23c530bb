using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

/// <summary>Base of tests that archive real segments of 1 MiB.</summary>
public abstract class ArchiveTests(WalWorkloads workloads) : IAsyncLifetime
{
    private ArchiveScene? _scene;

    private protected ArchiveScene Scene => _scene!;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _scene = new ArchiveScene(await workloads.SmallSegmentsAsync());
    }

    public ValueTask DisposeAsync()
    {
        _scene?.Dispose();
        return ValueTask.CompletedTask;
    }
}
