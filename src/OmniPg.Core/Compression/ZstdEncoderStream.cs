namespace OmniPg;

/// <summary>Writes one zstd frame with content checksum.</summary>
internal sealed unsafe class ZstdEncoderStream(ZstdCompressor context, Stream sink, bool leaveOpen) : EncoderStream(sink, leaveOpen, OutputBytes)
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
