using System.Diagnostics;

namespace OmniPg.Wal.Benchmarks;

/// <summary>Archives many segments in one process and prints what it holds from time to time: flat, or something leaks.</summary>
internal static class CopierSoak
{
    public static async Task RunAsync(SegmentSet segments, int count)
    {
        var root = Directory.CreateDirectory(Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"omnipg-soak-{Environment.ProcessId}")).FullName;
        await using var archiver = new WalArchiver(new WalArchiveOptions
        {
            DataDirectory = segments.DataDirectory, StateDirectory = root,
            Destinations =
            [
                new() { Directory = Directory.CreateDirectory(Path.Combine(root, "zstd")).FullName, Codec = "zstd", Level = 1 },
                new() { Directory = Directory.CreateDirectory(Path.Combine(root, "lz4")).FullName, Codec = "lz4" },
                new() { Directory = Directory.CreateDirectory(Path.Combine(root, "none")).FullName },
            ],
        });
        await archiver.BeginAsync();
        Console.WriteLine("| segments | resident MiB | managed MiB after collection | large object heap MiB | handles |\n|---|---|---|---|---|");
        for (var done = 1; done <= count; done++)
        {
            var name = segments.Names[done % 64];
            await archiver.ArchiveAsync(segments.PathOf(name));
            foreach (var file in Directory.EnumerateFiles(root, name + "*", SearchOption.AllDirectories))
                File.Delete(file);
            if (done is 10 or 100 || done % 1000 == 0)
                Print(done);
        }

        Directory.Delete(root, recursive: true);
    }

    private static void Print(int done)
    {
        var managed = GC.GetTotalMemory(forceFullCollection: true);
        var large = GC.GetGCMemoryInfo(GCKind.FullBlocking).GenerationInfo[3].SizeAfterBytes;
        using var self = Process.GetCurrentProcess();
        Console.WriteLine(FormattableString.Invariant(
            $"| {done} | {self.WorkingSet64 >> 20} | {managed / 1048576.0:0.0} | {large / 1048576.0:0.0} | {Directory.GetFiles("/proc/self/fd").Length} |"));
    }
}
