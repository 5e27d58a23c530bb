namespace OmniPg;

/// <summary>Bytes pass unchanged.</summary>
internal sealed class NoneCodec() : Codec("none", "", 0, 0, 0)
{
    public override int? MaxCompressedBytes(int contentBytes) => contentBytes;

    private protected override int CompressAtOnce(ReadOnlySpan<byte> content, Span<byte> target, int level)
    {
        content.CopyTo(target);
        return content.Length;
    }

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new PassThroughStream(sink, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => leaveOpen ? new PassThroughStream(source, leaveOpen) : source;
}
