namespace OmniPg.Extractor;

/// <summary>
/// The bytes are not a pg_dump archive, or the archive is truncated, damaged or larger than the configured limits, code <c>extractor.archive.format</c>; or
/// it has a format version that this reader does not know, code <c>extractor.archive.version</c>.
/// </summary>
/// <remarks>
/// The message says where the reader stood and what it found there. Versions 1.12 (PostgreSQL 9.0) to 1.16 (PostgreSQL 17 and 18) are read.
/// </remarks>
public sealed class ArchiveFormatException : ExtractorException
{
    internal ArchiveFormatException(ArchiveLocation location, string problem, Exception? innerException = null)
        : base(
            "extractor.archive.format",
            $"The archive cannot be read at {location}: {problem}.",
            "The file is damaged, incomplete or not made by pg_dump -Fc/-Fd: take it from its source again and compare the sizes.",
            innerException)
    {
        Offset = location.Offset;
        EntryIndex = location.EntryIndex;
        Field = location.Field;
    }

    internal ArchiveFormatException(ArchiveLocation location, ArchiveVersion version)
        : base(
            "extractor.archive.version",
            $"The archive has format version '{version}'; this reader knows '{ArchiveVersion.Oldest}' to '{ArchiveVersion.Newest}'.",
            version.CompareTo(ArchiveVersion.Oldest) < 0
                ? "Restore it with the pg_restore of its time and dump again."
                : "Update OmniPg.Extractor, or dump with an older pg_dump.")
    {
        Offset = location.Offset;
        Field = location.Field;
        Version = version;
    }

    /// <summary>Byte offset of the value that cannot be read, counted from the start of the archive or of the named file.</summary>
    public long Offset { get; }

    /// <summary>Zero-based index of the table-of-contents entry; null in the header and in data blocks of unknown entries.</summary>
    public int? EntryIndex { get; }

    /// <summary>Name of the field as the format description calls it, for example <c>namespace</c>.</summary>
    public string Field { get; }

    /// <summary>Version of the archive, where that is what this reader does not know; else null.</summary>
    public ArchiveVersion? Version { get; }
}

/// <summary>Where in an archive a value stands: what every complaint about an archive names.</summary>
internal readonly record struct ArchiveLocation(long Offset, int? EntryIndex, string Field)
{
    public override string ToString() => EntryIndex is { } index
        ? $"byte '{Offset}', entry '{index}', field '{Field}'"
        : $"byte '{Offset}', field '{Field}'";
}
