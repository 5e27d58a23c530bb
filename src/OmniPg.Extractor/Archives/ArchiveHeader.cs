namespace OmniPg.Extractor;

/// <summary>What an archive says about itself before its table of contents.</summary>
public sealed record ArchiveHeader
{
    /// <summary>Version of the archive format.</summary>
    public required ArchiveVersion Version { get; init; }

    /// <summary>Custom or directory.</summary>
    public required ArchiveFormat Format { get; init; }

    /// <summary>Bytes per integer; 4 in all archives seen.</summary>
    public required int IntegerSize { get; init; }

    /// <summary>Bytes per file offset; 8 in all archives seen.</summary>
    public required int OffsetSize { get; init; }

    /// <summary>Compression of the data.</summary>
    public required ArchiveCompression Compression { get; init; }

    /// <summary>zlib level as given to pg_dump, −1 for the default; null from version 1.15 on, which no longer stores it.</summary>
    public int? CompressionLevel { get; init; }

    /// <summary>Local time of the dumping machine when the dump began; its zone is not recorded (kind Unspecified).</summary>
    public required DateTime CreatedLocal { get; init; }

    /// <summary>Name of the dumped database.</summary>
    public required string Database { get; init; }

    /// <summary>Version text of the dumped server, for example <c>15.18 (Debian 15.18-0+deb12u1)</c>.</summary>
    public required string ServerVersion { get; init; }

    /// <summary>Version text of the pg_dump that made the archive.</summary>
    public required string DumpVersion { get; init; }
}
