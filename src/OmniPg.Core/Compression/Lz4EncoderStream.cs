namespace OmniPg;

/// <summary>Writes one LZ4 frame: linked 256 KiB blocks, content checksum.</summary>
internal sealed unsafe class Lz4EncoderStream : EncoderStream
{
    // LZ4F_compressUpdate wants room for its worst case: one buffered block, the piece given now and their headers.
    private const int PieceBytes = 128 * 1024;
    private const int OutputBytes = (256 * 1024) + PieceBytes + 64;
    private const int BlockSize256KiB = 5;
    private static readonly ContextPool<Lz4Compressor> Pool = new(static () => new Lz4Compressor());
    private readonly Lz4Compressor _context;
    private readonly Lz4Native.Preferences _preferences;
    private bool _begun;

    public Lz4EncoderStream(Stream sink, int level, bool leaveOpen)
        : base(sink, leaveOpen, OutputBytes)
    {
        _preferences = PreferencesFor(level);
        _context = Pool.Rent();
    }

    /// <summary>One frame from one call, without the library's own buffer in between.</summary>
    public static int CompressWhole(ReadOnlySpan<byte> content, Span<byte> target, int level)
    {
        var context = Pool.Rent();
        try
        {
            fixed (byte* from = content, to = target)
            {
                var preferences = PreferencesFor(level) with { AutoFlush = 1 };
                var length = (int)Check(Lz4Native.CompressBegin(context, to, (nuint)target.Length, preferences));
                length += (int)Check(Lz4Native.CompressUpdate(context, to + length, (nuint)(target.Length - length), from, (nuint)content.Length, 0));
                return length + (int)Check(Lz4Native.CompressEnd(context, to + length, (nuint)(target.Length - length), 0));
            }
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
            consumed = 0;
            if (!_begun)
            {
                written = (int)Check(Lz4Native.CompressBegin(_context, target, (nuint)output.Length, _preferences));
                _begun = true;
                return operation == EncoderOperation.Continue && input.IsEmpty;
            }

            var room = (nuint)output.Length;
            consumed = Math.Min(input.Length, PieceBytes);
            written = (int)Check(operation switch
            {
                EncoderOperation.Continue => Lz4Native.CompressUpdate(_context, target, room, source, (nuint)consumed, 0),
                EncoderOperation.Flush => Lz4Native.Flush(_context, target, room, 0),
                _ => Lz4Native.CompressEnd(_context, target, room, 0),
            });
            return consumed == input.Length;
        }
    }

    protected override void ReleaseEncoder() => Pool.Return(_context);

    private static Lz4Native.Preferences PreferencesFor(int level) => new() { BlockSizeId = BlockSize256KiB, ContentChecksumFlag = 1, CompressionLevel = level };

    private static nuint Check(nuint result) =>
        Lz4Native.IsError(result) == 0 ? result : throw new InvalidOperationException($"liblz4 refused to compress: {Lz4Native.Describe(result)}.");
}
