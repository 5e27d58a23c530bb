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

/// <summary>Version of the archive format, for example <c>1.14-0</c>. It is not the version of pg_dump.</summary>
/// <param name="Major">First part; always 1 so far.</param>
/// <param name="Minor">Second part: 14 = pg_dump 12 to 15, 15 = pg_dump 16, 16 = pg_dump 17 and 18.</param>
/// <param name="Revision">Third part; always 0 so far.</param>
public readonly record struct ArchiveVersion(int Major, int Minor, int Revision = 0) : IComparable<ArchiveVersion>
{
    /// <summary>Oldest version that is read: 1.12, PostgreSQL 9.0.</summary>
    public static ArchiveVersion Oldest { get; } = new(1, 12);

    /// <summary>Newest version that is read: 1.16, PostgreSQL 17 and 18.</summary>
    public static ArchiveVersion Newest { get; } = new(1, 16);

    internal bool IsSupported => Major == 1 && Minor >= Oldest.Minor && Minor <= Newest.Minor;

    internal bool HasTableAccessMethod => Minor >= 14;

    internal bool HasCompressionAlgorithm => Minor >= 15;

    internal bool HasRelationKind => Minor >= 16;

    /// <inheritdoc/>
    public int CompareTo(ArchiveVersion other) =>
        (Major, Minor, Revision).CompareTo((other.Major, other.Minor, other.Revision));

    /// <summary>The form that <c>pg_restore -l</c> prints, for example <c>1.14-0</c>.</summary>
    public override string ToString() => $"{Major}.{Minor}-{Revision}";

    /// <summary>Whether one version is older than another.</summary>
    public static bool operator <(ArchiveVersion left, ArchiveVersion right) => left.CompareTo(right) < 0;

    /// <summary>Whether one version is newer than another.</summary>
    public static bool operator >(ArchiveVersion left, ArchiveVersion right) => left.CompareTo(right) > 0;

    /// <summary>Whether one version is not newer than another.</summary>
    public static bool operator <=(ArchiveVersion left, ArchiveVersion right) => left.CompareTo(right) <= 0;

    /// <summary>Whether one version is not older than another.</summary>
    public static bool operator >=(ArchiveVersion left, ArchiveVersion right) => left.CompareTo(right) >= 0;
}

/// <summary>Shape of an archive.</summary>
public enum ArchiveFormat
{
    /// <summary>One file or pipe, made by <c>pg_dump -Fc</c>.</summary>
    Custom = 1,

    /// <summary>A directory with <c>toc.dat</c> and one file per table, made by <c>pg_dump -Fd</c>.</summary>
    Directory = 5,
}

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
