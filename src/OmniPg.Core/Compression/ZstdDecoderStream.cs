namespace OmniPg;

/// <summary>Reads zstd frames one after the other; the engine checks their checksums.</summary>
internal sealed unsafe class ZstdDecoderStream(ZstdDecompressor context, Stream source, bool leaveOpen) : DecoderStream("zstd", source, leaveOpen, InputBytes)
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
