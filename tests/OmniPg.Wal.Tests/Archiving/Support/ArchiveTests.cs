using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

/// <summary>Base of tests that archive real segments of 1 MiB.</summary>
/// <param name="workloads">Where the segments come from.</param>
/// <param name="inStages">Whether they take the way of files that do not fit into memory.</param>
public abstract class ArchiveTests(WalWorkloads workloads, bool inStages = false) : IAsyncLifetime
{
    private ArchiveScene? _scene;

    private protected ArchiveScene Scene => _scene!;

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _scene = new ArchiveScene(await workloads.SmallSegmentsAsync()) { InStages = inStages };
    }

    public ValueTask DisposeAsync()
    {
        _scene?.Dispose();
        return ValueTask.CompletedTask;
    }
}
