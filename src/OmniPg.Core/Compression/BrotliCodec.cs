using System.Buffers;
using System.IO.Compression;

namespace OmniPg;

/// <summary>Brotli (RFC 7932) by the base class library.</summary>
internal sealed class BrotliCodec() : Codec("brotli", ".br", 0, 11, 1)
{
    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new Encoder(sink, level, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new Decoder(source, leaveOpen);

    /// <summary>Writes one brotli stream with a 4 MiB window.</summary>
    private sealed class Encoder(Stream sink, int level, bool leaveOpen) : EncoderStream(sink, leaveOpen, 128 * 1024)
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

    /// <summary>Reads one brotli stream. The format has no checksum: damage that still decodes is found only by what checks the content.</summary>
    private sealed class Decoder(Stream source, bool leaveOpen) : DecoderStream("brotli", source, leaveOpen, 128 * 1024)
    {
        private BrotliDecoder _decoder;

        protected override bool AllowsSeveralFrames => false;

        protected override bool Decode(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
        {
            var status = _decoder.Decompress(input, output, out consumed, out written);
            return status == OperationStatus.InvalidData
                ? throw new CorruptCompressedDataException("brotli", "it holds what no encoder writes")
                : status == OperationStatus.Done;
        }

        protected override void ReleaseDecoder() => _decoder.Dispose();
    }
}
