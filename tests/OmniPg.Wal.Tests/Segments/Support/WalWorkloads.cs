using System.Collections.Concurrent;
using OmniPg.Testing;

[assembly: AssemblyFixture(typeof(OmniPg.Wal.Tests.Segments.WalWorkloads))]

namespace OmniPg.Wal.Tests.Segments;

/// <summary>Makes each workload once per run, when the first test asks for it.</summary>
public sealed class WalWorkloads : IDisposable
{
    private readonly ConcurrentDictionary<(int? Major, int SegmentMegabytes), Lazy<Task<WalWorkload>>> _workloads = [];

    /// <summary>The main one: installed server, segments of 1 MiB, more than 50 of them.</summary>
    public Task<WalWorkload> SmallSegmentsAsync() => GetAsync(null, 1, 12);

    /// <summary>Segments of 16 MiB.</summary>
    public Task<WalWorkload> UsualSegmentsAsync() => GetAsync(null, 16, 3);

    public async Task<WalWorkload> GetAsync(int? major, int segmentMegabytes, int rounds)
    {
        if (major is { } wanted)
            Assert.SkipWhen(await PgInstallations.TryGetAsync(wanted, TestContext.Current.CancellationToken) is null, $"No PostgreSQL {wanted} on this machine.");
        return await _workloads.GetOrAdd(
            (major, segmentMegabytes),
            key => new Lazy<Task<WalWorkload>>(() => WalWorkload.CreateAsync(key.Major, key.SegmentMegabytes, rounds, CancellationToken.None))).Value;
    }

    public void Dispose()
    {
        foreach (var workload in _workloads.Values.Where(w => w.IsValueCreated && w.Value.IsCompletedSuccessfully))
            workload.Value.Result.Dispose();
    }
}
