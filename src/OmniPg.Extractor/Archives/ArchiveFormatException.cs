namespace OmniPg.Extractor;

/// <summary>The bytes are not a pg_dump archive, or the archive is truncated, damaged or larger than the configured limits.</summary>
/// <remarks>Code <c>extractor.archive.format</c>. The message says where the reader stood and what it found there.</remarks>
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

    /// <summary>Byte offset of the value that cannot be read, counted from the start of the archive or of the named file.</summary>
    public long Offset { get; }

    /// <summary>Zero-based index of the table-of-contents entry; null in the header and in data blocks of unknown entries.</summary>
    public int? EntryIndex { get; }

    /// <summary>Name of the field as the format description calls it, for example <c>namespace</c>.</summary>
    public string Field { get; }
}

/// <summary>Where in an archive a value stands: what every complaint about an archive names.</summary>
internal readonly record struct ArchiveLocation(long Offset, int? EntryIndex, string Field)
{
    public override string ToString() => EntryIndex is { } index
        ? $"byte '{Offset}', entry '{index}', field '{Field}'"
        : $"byte '{Offset}', field '{Field}'";
}
