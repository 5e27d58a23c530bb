namespace OmniPg.Extractor;

/// <summary>Compression of the data blocks of an archive. The table of contents is never compressed.</summary>
public enum ArchiveCompression
{
    /// <summary>Data is stored as it is.</summary>
    None = 0,

    /// <summary>zlib streams in custom archives, gzip files in directory archives.</summary>
    Gzip = 1,

    /// <summary>LZ4 frames; pg_dump 16 and newer.</summary>
    Lz4 = 2,

    /// <summary>Zstandard frames; pg_dump 16 and newer.</summary>
    Zstd = 3,
}
