using System.Runtime.InteropServices;

namespace OmniPg;

/// <summary>The part of libzstd's stable API (zstd.h, 1.4 and later) that streams need.</summary>
internal static unsafe partial class ZstdNative
{
    public const int ResetSessionAndParameters = 3;

    private const string Library = NativeCodecLibrary.ZstdName;

    /// <summary>ZSTD_inBuffer and ZSTD_outBuffer, which have the same layout.</summary>
    public struct Window
    {
        public void* Start;
        public nuint Size;
        public nuint Position;
    }

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    public static partial ZstdCompressor CreateCompressor();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    public static partial nuint FreeCompressor(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_reset")]
    public static partial nuint Reset(ZstdCompressor context, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setParameter")]
    public static partial nuint SetParameter(ZstdCompressor context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressStream2")]
    public static partial nuint Compress(ZstdCompressor context, ref Window output, ref Window input, int operation);

    [LibraryImport(Library, EntryPoint = "ZSTD_compress2")]
    public static partial nuint Compress(ZstdCompressor context, byte* target, nuint capacity, byte* source, nuint size);

    [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
    public static partial ZstdDecompressor CreateDecompressor();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
    public static partial nuint FreeDecompressor(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_reset")]
    public static partial nuint Reset(ZstdDecompressor context, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
    public static partial nuint Decompress(ZstdDecompressor context, ref Window output, ref Window input);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    public static partial uint IsError(nuint result);

    /// <summary>The library's words for an error result.</summary>
    public static string Describe(nuint result) => Marshal.PtrToStringUTF8(GetErrorName(result)) ?? "unknown error";

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint GetErrorName(nuint result);
}

/// <summary>A ZSTD_CCtx.</summary>
internal sealed class ZstdCompressor() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => ZstdNative.FreeCompressor(handle) == 0;
}

/// <summary>A ZSTD_DCtx.</summary>
internal sealed class ZstdDecompressor() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => ZstdNative.FreeDecompressor(handle) == 0;
}
