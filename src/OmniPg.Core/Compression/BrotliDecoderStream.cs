using System.Buffers;
using System.IO.Compression;

namespace OmniPg;

/// <summary>Reads one brotli stream. The format has no checksum: damage that still decodes is found only by what checks the content.</summary>
internal sealed class BrotliDecoderStream(Stream source, bool leaveOpen) : DecoderStream("brotli", source, leaveOpen, 128 * 1024)
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
