namespace OmniPg;

/// <summary>Writes one zstd frame with content checksum.</summary>
internal sealed unsafe class ZstdEncoderStream : EncoderStream
{
    // ZSTD_CStreamOutSize: one whole block always fits.
    private const int OutputBytes = 128 * 1024 + 512;
    private static readonly ContextPool<ZstdCompressor> Pool = new(ZstdNative.CreateCompressor);
    private readonly ZstdCompressor _context;

    public ZstdEncoderStream(Stream sink, int level, bool leaveOpen)
        : base(sink, leaveOpen, OutputBytes)
    {
        _context = Pool.Rent();
        Check(ZstdNative.Reset(_context, ZstdNative.ResetSessionAndParameters));
        Check(ZstdNative.SetParameter(_context, ZstdNative.ParameterCompressionLevel, level));
        Check(ZstdNative.SetParameter(_context, ZstdNative.ParameterChecksumFlag, 1));
    }

    protected override bool Encode(ReadOnlySpan<byte> input, EncoderOperation operation, Span<byte> output, out int consumed, out int written)
    {
        fixed (byte* source = input, target = output)
        {
            var from = new ZstdNative.Window { Start = source, Size = (nuint)input.Length };
            var to = new ZstdNative.Window { Start = target, Size = (nuint)output.Length };
            var remaining = Check(ZstdNative.Compress(_context, ref to, ref from, (int)operation));
            consumed = (int)from.Position;
            written = (int)to.Position;
            return operation == EncoderOperation.Continue ? consumed == input.Length : remaining == 0;
        }
    }

    protected override void ReleaseEncoder() => Pool.Return(_context);

    private static nuint Check(nuint result) =>
        ZstdNative.IsError(result) == 0 ? result : throw new InvalidOperationException($"libzstd refused to compress: {ZstdNative.Describe(result)}.");
}
