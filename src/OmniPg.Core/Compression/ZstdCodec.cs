using System.Buffers.Binary;

namespace OmniPg;

/// <summary>Zstandard (RFC 8878) by the system's libzstd.</summary>
internal sealed class ZstdCodec() : Codec("zstd", ".zst", -7, 22, 1)
{
    private const uint FrameMagic = 0xFD2FB528;

    public override bool IsAvailable(out string? reason) => NativeCodecLibrary.Zstd.IsAvailable(out reason);

    public override bool Matches(ReadOnlySpan<byte> magic)
    {
        if (SkippableFrame.TrySkip(magic, out var next))
            return next.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(next) == FrameMagic;
        return magic.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(magic) == FrameMagic;
    }

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen)
    {
        NativeCodecLibrary.Zstd.ThrowIfMissing();
        return new ZstdEncoderStream(sink, level, leaveOpen);
    }

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen)
    {
        NativeCodecLibrary.Zstd.ThrowIfMissing();
        return new ZstdDecoderStream(source, leaveOpen);
    }
}
