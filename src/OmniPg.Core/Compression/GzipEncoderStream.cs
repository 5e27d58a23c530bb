using System.IO.Compression;

namespace OmniPg;

/// <summary>Writes one gzip member. <see cref="GZipStream"/> fills a small staging area that the base stream carries on to the sink.</summary>
internal sealed class GzipEncoderStream : EncoderStream
{
    private const int PieceBytes = 64 * 1024;
    private readonly StagingStream _staging = new();
    private readonly GZipStream _gzip;
    private bool _written;

    public GzipEncoderStream(Stream sink, int level, bool leaveOpen)
        : base(sink, leaveOpen, PieceBytes) =>
        _gzip = new GZipStream(_staging, new ZLibCompressionOptions { CompressionLevel = level }, leaveOpen: true);

    // GZipStream writes nothing at all when it was given nothing; an empty file still has to be a gzip file.
    private static ReadOnlySpan<byte> EmptyMember => [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    protected override bool Encode(ReadOnlySpan<byte> input, EncoderOperation operation, Span<byte> output, out int consumed, out int written)
    {
        consumed = 0;
        if (_staging.IsEmpty)
        {
            consumed = Math.Min(input.Length, PieceBytes);
            Step(input[..consumed], operation);
        }

        written = _staging.MoveTo(output);
        return _staging.IsEmpty && consumed == input.Length;
    }

    protected override void ReleaseEncoder()
    {
        _gzip.Dispose();
        _staging.Dispose();
    }

    private void Step(ReadOnlySpan<byte> piece, EncoderOperation operation)
    {
        switch (operation)
        {
            case EncoderOperation.Continue:
                _gzip.Write(piece);
                _written |= !piece.IsEmpty;
                break;
            case EncoderOperation.Flush:
                _gzip.Flush();
                break;
            case EncoderOperation.End:
                _gzip.Dispose();
                if (!_written && _staging.IsEmpty)
                    _staging.Write(EmptyMember);
                break;
        }
    }
}
