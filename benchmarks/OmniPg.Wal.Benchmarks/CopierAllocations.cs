using System.Diagnostics;

namespace OmniPg.Wal.Benchmarks;

/// <summary>What the pump allocates per buffer and holds in all, by set of branches.</summary>
internal static class CopierAllocations
{
    public static async Task RunAsync(SegmentSet segments)
    {
        var root = Directory.CreateTempSubdirectory("omnipg-allocations-").FullName;
        using var self = Process.GetCurrentProcess();
        var before = self.WorkingSet64;
        Console.WriteLine("| branches | bytes allocated per segment | per buffer beyond that |\n|---|---|---|");
        Codec[][] sets = [[], [Codec.None], [Codec.Zstd], [Codec.Lz4], [Codec.Gzip], [Codec.None, Codec.Zstd, Codec.Lz4]];
        foreach (var set in sets)
        {
            var copier = new WalCopier(TimeProvider.System);
            for (var i = 0; i < 3; i++)
                await CopyAsync(copier, segments, root, set, 1);
            var one = await CopyAsync(copier, segments, root, set, 1);
            var many = await CopyAsync(copier, segments, root, set, 9);
            Console.WriteLine($"| {string.Join(" + ", set.Select(c => c.Name))} | {one} | {(many - one) / (8.0 * 64):0.0} |");
        }

        self.Refresh();
        Console.WriteLine($"Resident memory: {before >> 20} MiB before the first copy, {self.PeakWorkingSet64 >> 20} MiB at most.");
        Directory.Delete(root, recursive: true);
    }

    private static async Task<long> CopyAsync(WalCopier copier, SegmentSet segments, string root, Codec[] codecs, int repeats)
    {
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var store = new DirectoryObjectStore(root);
        using var file = File.OpenHandle(segments.PathOf(segments.Names[1]));
        var request = new CopyRequest
        {
            Source = new RepeatedSource(file, repeats),
            Targets = [.. codecs.Select(c => new CopyTarget { Sink = store, Key = c.Name, Codec = c, Id = c.Name })],
        };
        await copier.CopyAsync(request, CancellationToken.None);
        var allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        foreach (var codec in codecs)
            File.Delete(Path.Combine(root, codec.Name));
        return allocated;
    }
}
