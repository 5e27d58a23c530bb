namespace OmniPg.Extractor;

/// <summary>The archive has a format version or kind that this reader does not know.</summary>
/// <remarks>Code <c>extractor.archive.version</c>. Versions 1.12 (PostgreSQL 9.0) to 1.16 (PostgreSQL 17 and 18) are read.</remarks>
public sealed class UnsupportedArchiveVersionException : ExtractorException
{
    internal UnsupportedArchiveVersionException(ArchiveVersion version)
        : base(
            "extractor.archive.version",
            $"The archive has format version '{version}'; this reader knows '{ArchiveVersion.Oldest}' to '{ArchiveVersion.Newest}'.",
            version.CompareTo(ArchiveVersion.Oldest) < 0
                ? "Restore it with the pg_restore of its time and dump again."
                : "Update OmniPg.Extractor, or dump with an older pg_dump.")
        => Version = version;

    /// <summary>Version found in the archive.</summary>
    public ArchiveVersion Version { get; }
}
