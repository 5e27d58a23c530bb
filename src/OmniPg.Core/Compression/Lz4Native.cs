using System.Runtime.InteropServices;

namespace OmniPg;

/// <summary>The part of liblz4's frame API (lz4frame.h, 1.8 and later) that streams need.</summary>
internal static unsafe partial class Lz4Native
{
    /// <summary>LZ4F_VERSION.</summary>
    public const uint ApiVersion = 100;

    private const string Library = NativeCodecLibrary.Lz4Name;

    /// <summary>LZ4F_preferences_t with its LZ4F_frameInfo_t in front.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Preferences
    {
        public int BlockSizeId;
        public int BlockMode;
        public int ContentChecksumFlag;
        public int FrameType;
        public ulong ContentSize;
        public uint DictionaryId;
        public int BlockChecksumFlag;
        public int CompressionLevel;
        public uint AutoFlush;
        public uint FavorDecompressionSpeed;
        private readonly uint _reserved0;
        private readonly uint _reserved1;
        private readonly uint _reserved2;
    }

    [LibraryImport(Library, EntryPoint = "LZ4F_createCompressionContext")]
    public static partial nuint CreateCompressor(out nint context, uint version);

    [LibraryImport(Library, EntryPoint = "LZ4F_freeCompressionContext")]
    public static partial nuint FreeCompressor(nint context);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressBound")]
    public static partial nuint CompressBound(nuint sourceSize, in Preferences preferences);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressBegin")]
    public static partial nuint CompressBegin(Lz4Compressor context, byte* target, nuint capacity, in Preferences preferences);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressUpdate")]
    public static partial nuint CompressUpdate(Lz4Compressor context, byte* target, nuint capacity, byte* source, nuint size, nint options);

    [LibraryImport(Library, EntryPoint = "LZ4F_flush")]
    public static partial nuint Flush(Lz4Compressor context, byte* target, nuint capacity, nint options);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressEnd")]
    public static partial nuint CompressEnd(Lz4Compressor context, byte* target, nuint capacity, nint options);

    [LibraryImport(Library, EntryPoint = "LZ4F_createDecompressionContext")]
    public static partial nuint CreateDecompressor(out nint context, uint version);

    [LibraryImport(Library, EntryPoint = "LZ4F_freeDecompressionContext")]
    public static partial nuint FreeDecompressor(nint context);

    [LibraryImport(Library, EntryPoint = "LZ4F_resetDecompressionContext")]
    public static partial void ResetDecompressor(Lz4Decompressor context);

    [LibraryImport(Library, EntryPoint = "LZ4F_decompress")]
    public static partial nuint Decompress(Lz4Decompressor context, byte* target, ref nuint targetSize, byte* source, ref nuint sourceSize, nint options);

    [LibraryImport(Library, EntryPoint = "LZ4F_isError")]
    public static partial uint IsError(nuint result);

    /// <summary>The library's words for an error result.</summary>
    public static string Describe(nuint result) => Marshal.PtrToStringUTF8(GetErrorName(result)) ?? "unknown error";

    [LibraryImport(Library, EntryPoint = "LZ4F_getErrorName")]
    private static partial nint GetErrorName(nuint result);
}

/// <summary>An LZ4F_cctx.</summary>
internal sealed class Lz4Compressor : SafeHandle
{
    public Lz4Compressor()
        : base(0, ownsHandle: true)
    {
        if (Lz4Native.IsError(Lz4Native.CreateCompressor(out var context, Lz4Native.ApiVersion)) == 0)
            SetHandle(context);
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => Lz4Native.FreeCompressor(handle) == 0;
}

/// <summary>An LZ4F_dctx.</summary>
internal sealed class Lz4Decompressor : SafeHandle
{
    public Lz4Decompressor()
        : base(0, ownsHandle: true)
    {
        if (Lz4Native.IsError(Lz4Native.CreateDecompressor(out var context, Lz4Native.ApiVersion)) == 0)
            SetHandle(context);
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => Lz4Native.FreeDecompressor(handle) == 0;
}
