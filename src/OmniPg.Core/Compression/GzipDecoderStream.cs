using System.IO.Compression;

namespace OmniPg;

/// <summary>Reads gzip members one after the other and, unlike <see cref="GZipStream"/>, tells a truncated file and trailing bytes from a whole one.</summary>
internal sealed class GzipDecoderStream : ReadOnlyStream
{
    private readonly GzipFeedStream _feed;
    private readonly GZipStream _gzip;

    public GzipDecoderStream(Stream source, bool leaveOpen)
    {
        _feed = new GzipFeedStream(source, leaveOpen);
        _gzip = new GZipStream(_feed, CompressionMode.Decompress);
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            var count = _gzip.Read(buffer);
            return count > 0 || buffer.IsEmpty ? count : CheckEnd();
        }
        catch (InvalidDataException damage)
        {
            throw Corrupt(damage);
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            var count = await _gzip.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            return count > 0 || buffer.IsEmpty ? count : CheckEnd();
        }
        catch (InvalidDataException damage)
        {
            throw Corrupt(damage);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _gzip.Dispose();
        base.Dispose(disposing);
    }

    private int CheckEnd() => _feed.State switch
    {
        GzipFeedState.EndOffered => 0,
        GzipFeedState.EndPassed => throw CorruptCompressedDataException.Truncated("gzip"),
        _ => throw CorruptCompressedDataException.TrailingBytes("gzip"),
    };

    private CorruptCompressedDataException Corrupt(InvalidDataException damage) => _feed.State == GzipFeedState.EndPassed
        ? CorruptCompressedDataException.Truncated("gzip")
        : new CorruptCompressedDataException("gzip", "it holds what no encoder writes, or its checksum differs", damage);
}
