using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ZstdSharp.Unsafe;

namespace OmniPg;

/// <summary>Zstandard (RFC 8878) by the system's libzstd, else by ZstdSharp, a port of it that takes half as long again.</summary>
/// <param name="managed">Whether the port is taken even where the library is.</param>
internal sealed class ZstdCodec(bool managed = false) : Codec("zstd", ".zst", -7, 22, 0)
{
    private const uint FrameMagic = 0xFD2FB528;

    // ZSTD_cParameter of zstd.h, and ZSTD_fast of its ZSTD_strategy.
    private const int CompressionLevel = 100;
    private const int WindowLog = 101;
    private const int HashLog = 102;
    private const int MinMatch = 105;
    private const int Strategy = 107;
    private const int ChecksumFlag = 201;
    private const int Fast = 1;
    private const int SmallContent = 128 * 1024;

    // Level 1 underneath: its matches need 7 bytes, which misses what one full-page image has in common with the next; 5 find it. One hash table that stays
    // in the processor's L2 finds as much as the two tables of level 3, for half the time.
    private static readonly (int Parameter, int Value)[] Wal = [(CompressionLevel, 1), (WindowLog, 21), (HashLog, 15), (MinMatch, 5), (Strategy, Fast), (ChecksumFlag, 1)];

    private bool Managed => managed || !ZstdNative.IsPresent;

    public override bool Matches(ReadOnlySpan<byte> magic)
    {
        if (SkippableFrame.TrySkip(magic, out var next))
            return next.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(next) == FrameMagic;
        return magic.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(magic) == FrameMagic;
    }

    /// <summary>What a context has to be told for a level.</summary>
    public static (int Parameter, int Value)[] ParametersOf(int level) => level == 0 ? Wal : [(CompressionLevel, level), (ChecksumFlag, 1)];

    /// <summary>Whether a result of the library, or of its port, stands for an error, and its words for it.</summary>
    public static bool IsError(bool managed, nuint result, out string? words)
    {
        words = (managed ? Methods.ZSTD_isError(result) : ZstdNative.IsError(result) != 0)
            ? managed ? Methods.ZSTD_getErrorName(result) : ZstdNative.Describe(result)
            : null;
        return words is not null;
    }

    // ZSTD_COMPRESSBOUND of zstd.h.
    public override int? MaxCompressedBytes(int contentBytes) =>
        checked(contentBytes + (contentBytes >> 8) + (contentBytes < SmallContent ? (SmallContent - contentBytes) >> 11 : 0));

    private protected override int CompressAtOnce(ReadOnlySpan<byte> content, Span<byte> target, int level)
    {
        var context = ZstdCompressor.Rent(Managed, level);
        try
        {
            return context.CompressWhole(content, target);
        }
        finally
        {
            context.Return();
        }
    }

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new Encoder(ZstdCompressor.Rent(Managed, level), sink, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new Decoder(ZstdDecompressor.Rent(Managed), source, leaveOpen);

    /// <summary>Writes one zstd frame with content checksum.</summary>
    private sealed unsafe class Encoder(ZstdCompressor context, Stream sink, bool leaveOpen) : EncoderStream(sink, leaveOpen, OutputBytes)
    {
        // ZSTD_CStreamOutSize: one whole block always fits.
        private const int OutputBytes = 128 * 1024 + 512;

        protected override bool Encode(ReadOnlySpan<byte> input, EncoderOperation operation, Span<byte> output, out int consumed, out int written)
        {
            fixed (byte* source = input, target = output)
            {
                var from = new ZstdWindow { Start = source, Size = (nuint)input.Length };
                var to = new ZstdWindow { Start = target, Size = (nuint)output.Length };
                var remaining = context.Compress(ref to, ref from, (int)operation);
                consumed = (int)from.Position;
                written = (int)to.Position;
                return operation == EncoderOperation.Continue ? consumed == input.Length : remaining == 0;
            }
        }

        protected override void ReleaseEncoder() => context.Return();
    }

    /// <summary>Reads zstd frames one after the other; the engine checks their checksums.</summary>
    private sealed unsafe class Decoder(ZstdDecompressor context, Stream source, bool leaveOpen) : DecoderStream("zstd", source, leaveOpen, InputBytes)
    {
        // ZSTD_DStreamInSize: one whole block and its header.
        private const int InputBytes = 128 * 1024 + 3;

        protected override bool Decode(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
        {
            fixed (byte* source = input, target = output)
            {
                var from = new ZstdWindow { Start = source, Size = (nuint)input.Length };
                var to = new ZstdWindow { Start = target, Size = (nuint)output.Length };
                var hint = context.Decompress(ref to, ref from);
                consumed = (int)from.Position;
                written = (int)to.Position;
                return hint == 0;
            }
        }

        protected override void ReleaseDecoder() => context.Return();
    }

    /// <summary>Keeps a few native contexts for the next stream: making one costs more than resetting it.</summary>
    internal sealed class ContextPool<T>(Func<T> create)
        where T : SafeHandle
    {
        private readonly T?[] _kept = new T?[Math.Min(Environment.ProcessorCount, 4)];

        public T Rent()
        {
            for (var i = 0; i < _kept.Length; i++)
                if (Interlocked.Exchange(ref _kept[i], null) is { } context)
                    return context;
            var made = create();
            return made.IsInvalid ? throw new InsufficientMemoryException("The codec's library could not allocate its state.") : made;
        }

        public void Return(T context)
        {
            for (var i = 0; i < _kept.Length; i++)
                if (Interlocked.CompareExchange(ref _kept[i], context, null) is null)
                    return;
            context.Dispose();
        }
    }
}
