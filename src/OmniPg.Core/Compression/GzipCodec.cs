namespace OmniPg;

/// <summary>Gzip (RFC 1952) by the base class library.</summary>
internal sealed class GzipCodec() : Codec("gzip", ".gz", 0, 9, 6)
{
    public override bool Matches(ReadOnlySpan<byte> magic) => magic.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]);

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new GzipEncoderStream(sink, level, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new GzipDecoderStream(source, leaveOpen);
}
