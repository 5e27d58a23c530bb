using System.Runtime.CompilerServices;
using OmniPg.Compression;
using OmniPg.IO;

namespace OmniPg.Extractor.Archives.Reading;

/// <summary>A decompressing stream whose complaints about bad data become <see cref="ArchiveFormatException"/> with the place in the archive.</summary>
internal sealed class DecodedStream(Stream decoder, Func<ArchiveLocation> location) : ReadOnlyStream
{
    public override int Read(Span<byte> buffer)
    {
        try
        {
            return decoder.Read(buffer);
        }
        catch (Exception error) when (IsBadData(error))
        {
            throw BadData(error);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await decoder.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (IsBadData(error))
        {
            throw BadData(error);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            decoder.Dispose();
        base.Dispose(disposing);
    }

    private static bool IsBadData(Exception error) => error is InvalidDataException or CorruptCompressedDataException;

    private ArchiveFormatException BadData(Exception error) => new(location(), "the compressed data is damaged", error);
}
