using System.Globalization;
using System.Runtime.InteropServices;

namespace OmniPg.Wal.Benchmarks;

/// <summary>What one copier holds, managed and native, while it copies segments to three branches: zstd, lz4 and plain.</summary>
internal static partial class CopierMemory
{
    private const int Segments = 32;

    public static async Task RunAsync(SegmentSet segments)
    {
        var root = Directory.CreateTempSubdirectory("omnipg-memory-").FullName;
        var copier = new WalCopier(TimeProvider.System);

        // Everything that is made once for any number of copiers first: code, libraries, threads, and the standard library's own pools.
        await CopyAsync(new WalCopier(TimeProvider.System), segments, root, 0);
        var (managed, native) = (Managed(), NativeBytes());
        var (mostManaged, mostNative) = (0L, 0L);
        for (var i = 0; i < Segments; i++)
        {
            await CopyAsync(copier, segments, root, i, () =>
            {
                (mostManaged, mostNative) = (Math.Max(mostManaged, GC.GetTotalMemory(false)), Math.Max(mostNative, NativeBytes()));
            });
        }

        Directory.Delete(root, recursive: true);
        GC.KeepAlive(copier);
        Console.WriteLine("| memory of one copy, three branches | MiB |\n|---|---|");
        Print("managed after a full collection, with the copier's buffers", Managed());
        Print("managed at most while copying, garbage included", mostManaged);
        Print("native (malloc) at most while copying", mostNative);
        Print("together at most", mostManaged + mostNative);
        Print("before the copier's first copy: managed", managed);
        Print("before the copier's first copy: native", native);
        foreach (var line in File.ReadLines("/proc/self/status").Where(static l => l.StartsWith("VmHWM", StringComparison.Ordinal) || l.StartsWith("RssAnon", StringComparison.Ordinal)))
            Console.WriteLine($"| {line.Replace(":", " |", StringComparison.Ordinal).Replace("\t", " ", StringComparison.Ordinal)} |");
    }

    private static void Print(string name, long bytes) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {bytes / 1048576.0:0.0} |"));

    private static long Managed() => GC.GetTotalMemory(forceFullCollection: true);

    // What malloc has handed out and not got back, from its arenas and by mmap: the codecs' state is all of it.
    private static long NativeBytes()
    {
        var info = mallinfo2();
        return (long)(info.InUse + info.Mapped);
    }

    private static async Task CopyAsync(WalCopier copier, SegmentSet segments, string root, int number, Action? onRead = null)
    {
        var store = new DirectoryObjectStore(root);
        var name = segments.Names[number % segments.Names.Count];
        await using var source = FileCopySource.Open(segments.PathOf(name));
        await copier.CopyAsync(
            new CopyRequest
            {
                Source = source,
                Validator = new WalSegmentValidator(name, WalValidation.Full, segments.Expectations),
                Targets = [.. new[] { Codec.Zstd, Codec.Lz4, Codec.None }.Select(c => new CopyTarget { Sink = store, Key = $"{number}{c.Extension}", Codec = c, Id = c.Name })],
                OnRead = _ => onRead?.Invoke(),
            },
            CancellationToken.None);
        foreach (var file in Directory.EnumerateFiles(root))
            File.Delete(file);
    }

    [LibraryImport("libc")]
    private static partial MallocInfo mallinfo2();

    /// <summary>struct mallinfo2 (mallinfo(3), glibc 2.33).</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MallocInfo
    {
        public nuint Arena;
        public nuint FreeChunks;
        public nuint FastChunks;
        public nuint MappedRegions;
        public nuint Mapped;
        public nuint Unused;
        public nuint FastFree;
        public nuint InUse;
        public nuint Free;
        public nuint Trimmable;
    }
}
