namespace OmniPg;

/// <summary>Brotli (RFC 7932) by the base class library.</summary>
internal sealed class BrotliCodec() : Codec("brotli", ".br", 0, 11, 1)
{
    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new BrotliEncoderStream(sink, level, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new BrotliDecoderStream(source, leaveOpen);
}
