using System.Runtime.InteropServices;

namespace OmniPg.Wal.Benchmarks;

/// <summary>One call of libzstd over memory with a reused context: nothing that compresses with it can be faster on one core.</summary>
internal static partial class ZstdInMemory
{
    private static readonly nint Context = CreateContext();
    private static readonly byte[] Output = GC.AllocateUninitializedArray<byte>(20 << 20, pinned: true);

    public static ReadOnlySpan<byte> Compress(byte[] content, int level)
    {
        var size = Compress(Context, Output, (nuint)Output.Length, content, (nuint)content.Length, level);
        return Output.AsSpan(0, checked((int)size));
    }

    /// <summary>With parameters of <c>ZSTD_cParameter</c> instead of a level.</summary>
    public static ReadOnlySpan<byte> Compress(byte[] content, IEnumerable<(int Parameter, int Value)> parameters)
    {
        const int sessionAndParameters = 3;
        Reset(Context, sessionAndParameters);
        foreach (var (parameter, value) in parameters)
            Check(Set(Context, parameter, value));
        return Output.AsSpan(0, checked((int)Check(Compress(Context, Output, (nuint)Output.Length, content, (nuint)content.Length))));
    }

    private static nuint Check(nuint result) => IsError(result) == 0 ? result : throw new InvalidOperationException("libzstd refused.");

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_createCCtx")]
    private static partial nint CreateContext();

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_compressCCtx")]
    private static partial nuint Compress(nint context, [Out] byte[] target, nuint capacity, byte[] source, nuint size, int level);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_compress2")]
    private static partial nuint Compress(nint context, [Out] byte[] target, nuint capacity, byte[] source, nuint size);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_CCtx_reset")]
    private static partial nuint Reset(nint context, int directive);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_CCtx_setParameter")]
    private static partial nuint Set(nint context, int parameter, int value);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_isError")]
    private static partial uint IsError(nuint result);
}
