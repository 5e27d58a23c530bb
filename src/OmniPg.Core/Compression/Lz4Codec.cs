using System.Buffers.Binary;

namespace OmniPg;

/// <summary>LZ4 frames by the system's liblz4.</summary>
internal sealed class Lz4Codec() : Codec("lz4", ".lz4", 0, 12, 0)
{
    private const uint FrameMagic = 0x184D2204;

    public override bool IsAvailable(out string? reason) => NativeCodecLibrary.Lz4.IsAvailable(out reason);

    public override bool Matches(ReadOnlySpan<byte> magic)
    {
        if (SkippableFrame.TrySkip(magic, out var next))
            magic = next;
        return magic.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(magic) == FrameMagic;
    }

    // LZ4F_compressFrameBound for blocks of 256 KiB: per block a header of 4 bytes and no growth, as one that does not shrink is stored; header, end mark and checksum of the frame.
    public override int? MaxCompressedBytes(int contentBytes) => checked(contentBytes + (contentBytes / (256 * 1024) * 4) + 64);

    private protected override int CompressAtOnce(ReadOnlySpan<byte> content, Span<byte> target, int level)
    {
        NativeCodecLibrary.Lz4.ThrowIfMissing();
        return Lz4EncoderStream.CompressWhole(content, target, level);
    }

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen)
    {
        NativeCodecLibrary.Lz4.ThrowIfMissing();
        return new Lz4EncoderStream(sink, level, leaveOpen);
    }

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen)
    {
        NativeCodecLibrary.Lz4.ThrowIfMissing();
        return new Lz4DecoderStream(source, leaveOpen);
    }
}
