using System.Runtime.InteropServices;

namespace OmniPg;

/// <summary>The part of libzstd's stable API (zstd.h, 1.4 and later) that streams need. Nothing is shipped: the library belongs to the machine and is updated with it.</summary>
internal static unsafe partial class ZstdNative
{
    public const int ResetSessionAndParameters = 3;

    /// <summary>The name that the functions below are imported from.</summary>
    internal const string Library = "omnipg-zstd";
    private static readonly nint Handle = Load();

    static ZstdNative() => NativeLibrary.SetDllImportResolver(typeof(ZstdNative).Assembly, static (name, _, _) => Resolve(name));

    /// <summary>Whether the library is on this machine; looked for once, by the names it has on each operating system.</summary>
    public static bool IsPresent => Handle != 0;

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    public static partial nint CreateCompressor();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    public static partial nuint FreeCompressor(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_reset")]
    public static partial nuint Reset(ZstdCompressor context, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setParameter")]
    public static partial nuint SetParameter(ZstdCompressor context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressStream2")]
    public static partial nuint Compress(ZstdCompressor context, ref ZstdWindow output, ref ZstdWindow input, int operation);

    [LibraryImport(Library, EntryPoint = "ZSTD_compress2")]
    public static partial nuint Compress(ZstdCompressor context, byte* target, nuint capacity, byte* source, nuint size);

    [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
    public static partial nint CreateDecompressor();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
    public static partial nuint FreeDecompressor(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_reset")]
    public static partial nuint Reset(ZstdDecompressor context, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
    public static partial nuint Decompress(ZstdDecompressor context, ref ZstdWindow output, ref ZstdWindow input);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    public static partial uint IsError(nuint result);

    /// <summary>The library's words for an error result.</summary>
    public static string Describe(nuint result) => Marshal.PtrToStringUTF8(GetErrorName(result)) ?? "unknown error";

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint GetErrorName(nuint result);

    // A reference for each question: when two threads make the first call at once, native AOT frees what the slower one got (FixupModuleCell of its
    // InteropHelpers.cs). With one reference for all that closed the library under the faster one.
    internal static nint Resolve(string name) => name == Library ? Load() : 0;

    private static nint Load()
    {
        foreach (var name in (ReadOnlySpan<string>)["libzstd.so.1", "libzstd.so", "libzstd.1.dylib", "libzstd.dylib", "libzstd.dll", "zstd.dll"])
        {
            if (NativeLibrary.TryLoad(name, out var handle))
                return handle;
        }

        return 0;
    }
}
