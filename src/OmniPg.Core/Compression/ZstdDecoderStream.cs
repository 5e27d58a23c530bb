namespace OmniPg;

/// <summary>Reads zstd frames one after the other; libzstd checks their checksums.</summary>
internal sealed unsafe class ZstdDecoderStream : DecoderStream
{
    // ZSTD_DStreamInSize: one whole block and its header.
    private const int InputBytes = 128 * 1024 + 3;
    private static readonly ContextPool<ZstdDecompressor> Pool = new(ZstdNative.CreateDecompressor);
    private readonly ZstdDecompressor _context;

    public ZstdDecoderStream(Stream source, bool leaveOpen)
        : base("zstd", source, leaveOpen, InputBytes)
    {
        _context = Pool.Rent();
        Check(ZstdNative.Reset(_context, ZstdNative.ResetSessionAndParameters));
    }

    protected override bool Decode(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        fixed (byte* source = input, target = output)
        {
            var from = new ZstdNative.Window { Start = source, Size = (nuint)input.Length };
            var to = new ZstdNative.Window { Start = target, Size = (nuint)output.Length };
            var hint = Check(ZstdNative.Decompress(_context, ref to, ref from));
            consumed = (int)from.Position;
            written = (int)to.Position;
            return hint == 0;
        }
    }

    protected override void ReleaseDecoder() => Pool.Return(_context);

    private static nuint Check(nuint result) => ZstdNative.IsError(result) == 0
        ? result
        : throw new CorruptCompressedDataException("zstd", $"libzstd says '{ZstdNative.Describe(result)}'");
}
