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
