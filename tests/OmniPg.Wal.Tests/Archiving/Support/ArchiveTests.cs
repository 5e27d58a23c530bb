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
        var workload = await workloads.SmallSegmentsAsync();
        Assert.SkipUnless(workload.Major == 15, "The control file of these tests is that of PostgreSQL 15.");
        _scene = new ArchiveScene(workload);
    }

    public ValueTask DisposeAsync()
    {
        _scene?.Dispose();
        return ValueTask.CompletedTask;
    }
}
