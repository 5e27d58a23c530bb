using System.Buffers.Binary;
using K4os.Compression.LZ4;
using K4os.Compression.LZ4.Streams;

namespace OmniPg;

/// <summary>LZ4 frames by K4os.Compression.LZ4: with the checksum on it is as fast as the system's liblz4, and nobody has to install it.</summary>
internal sealed class Lz4Codec() : Codec("lz4", ".lz4", 0, 12, 0)
{
    /// <summary>The first four bytes of a frame.</summary>
    public const uint FrameMagic = 0x184D2204;

    private const int BlockBytes = 256 * 1024;

    public override bool Matches(ReadOnlySpan<byte> magic)
    {
        if (SkippableFrame.TrySkip(magic, out var next))
            magic = next;
        return magic.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(magic) == FrameMagic;
    }

    /// <summary>One frame of linked blocks of 256 KiB with a checksum over its content.</summary>
    // The levels 1 and 2 are 0 in lz4 too (LZ4HC_CLEVEL_MIN of lz4hc.h is 3, LZ4F_compressBegin takes the fast compressor below it).
    public static LZ4EncoderSettings SettingsFor(int level) =>
        new() { BlockSize = BlockBytes, ChainBlocks = true, ContentChecksum = true, CompressionLevel = level < 3 ? LZ4Level.L00_FAST : (LZ4Level)level };

    // LZ4F_compressFrameBound for blocks of this size: per block a header of 4 bytes and no growth, as one that does not shrink is stored; header, end mark and checksum of the frame.
    public override int? MaxCompressedBytes(int contentBytes) => checked(contentBytes + (contentBytes / BlockBytes * 4) + 64);

    private protected override unsafe int CompressAtOnce(ReadOnlySpan<byte> content, Span<byte> target, int level)
    {
        fixed (byte* to = target)
        {
            using var writer = LZ4Frame.Encode(to, target.Length, SettingsFor(level));
            writer.WriteManyBytes(content);
            writer.CloseFrame();
            return writer.CompressedLength;
        }
    }

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new Lz4EncoderStream(sink, level, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new Lz4DecoderStream(source, leaveOpen);
}
