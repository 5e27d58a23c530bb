namespace OmniPg;

/// <summary>Reads LZ4 frames one after the other; liblz4 checks their checksums.</summary>
internal sealed unsafe class Lz4DecoderStream : DecoderStream
{
    private const int InputBytes = 256 * 1024;
    private static readonly ContextPool<Lz4Decompressor> Pool = new(static () => new Lz4Decompressor());
    private readonly Lz4Decompressor _context;

    public Lz4DecoderStream(Stream source, bool leaveOpen)
        : base("lz4", source, leaveOpen, InputBytes)
    {
        _context = Pool.Rent();
        Lz4Native.ResetDecompressor(_context);
    }

    protected override bool Decode(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        fixed (byte* source = input, target = output)
        {
            nuint taken = (nuint)input.Length, made = (nuint)output.Length;
            var hint = Lz4Native.Decompress(_context, target, ref made, source, ref taken, 0);
            if (Lz4Native.IsError(hint) != 0)
                throw new CorruptCompressedDataException("lz4", $"liblz4 says '{Lz4Native.Describe(hint)}'");
            consumed = (int)taken;
            written = (int)made;
            return hint == 0;
        }
    }

    protected override void ReleaseDecoder() => Pool.Return(_context);
}
