using System.IO.Compression;
using System.Runtime.CompilerServices;

namespace OmniPg.Extractor;

/// <summary>Opens the decoder that a data block or file needs.</summary>
internal static class Decompression
{
    /// <summary>Decoder of a block of a custom archive, where gzip means a bare zlib stream (compress_gzip.c). Leaves the content open.</summary>
    public static Stream OpenBlock(ArchiveCompression compression, Stream content, Func<ArchiveLocation> location) => compression switch
    {
        ArchiveCompression.None => content,
        ArchiveCompression.Gzip => new DecodedStream(new ZLibStream(content, CompressionMode.Decompress, leaveOpen: true), location),
        _ => new DecodedStream(CodecOf(compression).Decompress(content, leaveOpen: true), location),
    };

    /// <summary>Decoder of a file of a directory archive, where gzip means a real gzip file. Owns the file.</summary>
    public static Stream OpenFile(ArchiveCompression compression, Stream file, Func<ArchiveLocation> location) => compression switch
    {
        ArchiveCompression.None => file,
        _ => new DecodedStream(CodecOf(compression).Decompress(file), location),
    };

    private static Codec CodecOf(ArchiveCompression compression) => compression switch
    {
        ArchiveCompression.Lz4 => Codec.Lz4,
        ArchiveCompression.Zstd => Codec.Zstd,
        _ => Codec.Gzip,
    };

    /// <summary>A decompressing stream whose complaints about bad data become <see cref="ArchiveFormatException"/> with the place in the archive.</summary>
    private sealed class DecodedStream(Stream decoder, Func<ArchiveLocation> location) : ReadOnlyStream
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
}
