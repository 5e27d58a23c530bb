using System.IO.Compression;

namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Opens the decoder that a data block or file needs.</summary>
internal static class Decompression
{
    /// <summary>Decoder of a block of a custom archive, where gzip means a bare zlib stream (compress_gzip.c).</summary>
    public static Stream OpenBlock(ArchiveCompression compression, Stream content, Func<ArchiveLocation> location) => compression switch
    {
        ArchiveCompression.None => content,
        ArchiveCompression.Gzip => new DecodedStream(new ZLibStream(content, CompressionMode.Decompress, leaveOpen: true), location),
        _ => throw new CompressionNotSupportedException(NameOf(compression), reason: null),
    };

    /// <summary>Decoder of a file of a directory archive, where gzip means a real gzip file.</summary>
    public static Stream OpenFile(ArchiveCompression compression, Stream content, Func<ArchiveLocation> location) => compression switch
    {
        ArchiveCompression.None => content,
        ArchiveCompression.Gzip => new DecodedStream(new GZipStream(content, CompressionMode.Decompress), location),
        _ => throw new CompressionNotSupportedException(NameOf(compression), reason: null),
    };

    private static string NameOf(ArchiveCompression compression) => compression switch
    {
        ArchiveCompression.Lz4 => "lz4",
        ArchiveCompression.Zstd => "zstd",
        _ => "gzip",
    };
}
