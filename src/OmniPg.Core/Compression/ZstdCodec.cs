using System.Buffers.Binary;

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
    private static readonly (int Parameter, int Value)[] Wal = [(CompressionLevel, 1), (WindowLog, 21), (HashLog, 16), (MinMatch, 5), (Strategy, Fast), (ChecksumFlag, 1)];

    private bool Managed => managed || !ZstdNative.IsPresent;

    public override bool Matches(ReadOnlySpan<byte> magic)
    {
        if (SkippableFrame.TrySkip(magic, out var next))
            return next.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(next) == FrameMagic;
        return magic.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(magic) == FrameMagic;
    }

    /// <summary>What a context has to be told for a level.</summary>
    public static (int Parameter, int Value)[] ParametersOf(int level) => level == 0 ? Wal : [(CompressionLevel, level), (ChecksumFlag, 1)];

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

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new ZstdEncoderStream(ZstdCompressor.Rent(Managed, level), sink, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new ZstdDecoderStream(ZstdDecompressor.Rent(Managed), source, leaveOpen);
}
