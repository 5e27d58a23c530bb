using System.Buffers;
using System.IO.Compression;

namespace OmniPg;

/// <summary>Writes one brotli stream with a 4 MiB window.</summary>
internal sealed class BrotliEncoderStream(Stream sink, int level, bool leaveOpen) : EncoderStream(sink, leaveOpen, 128 * 1024)
{
    private const int WindowBits = 22;
    private BrotliEncoder _encoder = new(level, WindowBits);

    protected override bool Encode(ReadOnlySpan<byte> input, EncoderOperation operation, Span<byte> output, out int consumed, out int written)
    {
        consumed = 0;
        var status = operation == EncoderOperation.Flush
            ? _encoder.Flush(output, out written)
            : _encoder.Compress(input, output, out consumed, out written, operation == EncoderOperation.End);
        if (status == OperationStatus.InvalidData)
            throw new InvalidOperationException("Brotli refused to compress.");
        return status != OperationStatus.DestinationTooSmall && consumed == input.Length;
    }

    protected override void ReleaseEncoder() => _encoder.Dispose();
}
