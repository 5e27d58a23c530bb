namespace OmniPg;

/// <summary>Writes one zstd frame with content checksum.</summary>
internal sealed unsafe class ZstdEncoderStream : EncoderStream
{
    // ZSTD_CStreamOutSize: one whole block always fits.
    private const int OutputBytes = 128 * 1024 + 512;
    private static readonly ContextPool<ZstdCompressor> Pool = new(ZstdNative.CreateCompressor);
    private readonly ZstdCompressor _context;

    public ZstdEncoderStream(Stream sink, int level, bool leaveOpen)
        : base(sink, leaveOpen, OutputBytes) => _context = Rent(level);

    /// <summary>One frame in one call: the library reads and writes in place, without the copies that a stream needs.</summary>
    public static int CompressWhole(ReadOnlySpan<byte> content, Span<byte> target, int level)
    {
        var context = Rent(level);
        try
        {
            fixed (byte* from = content, to = target)
                return (int)Check(ZstdNative.Compress(context, to, (nuint)target.Length, from, (nuint)content.Length));
        }
        finally
        {
            Pool.Return(context);
        }
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

    private static ZstdCompressor Rent(int level)
    {
        var context = Pool.Rent();
        Check(ZstdNative.Reset(context, ZstdNative.ResetSessionAndParameters));
        foreach (var (parameter, value) in ZstdCodec.ParametersOf(level))
            Check(ZstdNative.SetParameter(context, parameter, value));
        return context;
    }

    private static nuint Check(nuint result) =>
        ZstdNative.IsError(result) == 0 ? result : throw new InvalidOperationException($"libzstd refused to compress: {ZstdNative.Describe(result)}.");
}
