using System.Runtime.InteropServices;

namespace OmniPg.Wal.Benchmarks;

/// <summary>One call of libzstd over memory with a reused context: nothing that compresses with it can be faster on one core.</summary>
internal static partial class ZstdInMemory
{
    private static readonly nint Context = CreateContext();
    private static readonly byte[] Output = new byte[20 << 20];

    public static ReadOnlySpan<byte> Compress(byte[] content, int level)
    {
        var size = Compress(Context, Output, (nuint)Output.Length, content, (nuint)content.Length, level);
        return Output.AsSpan(0, checked((int)size));
    }

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_createCCtx")]
    private static partial nint CreateContext();

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_compressCCtx")]
    private static partial nuint Compress(nint context, [Out] byte[] target, nuint capacity, byte[] source, nuint size, int level);
}
