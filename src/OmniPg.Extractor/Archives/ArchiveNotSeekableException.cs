namespace OmniPg.Extractor;

/// <summary>Data was asked for out of order from an archive that is read from a pipe.</summary>
/// <remarks>Code <c>extractor.archive.not-seekable</c>.</remarks>
public sealed class ArchiveNotSeekableException : ExtractorException
{
    internal ArchiveNotSeekableException(TocEntry entry)
        : base(
            "extractor.archive.not-seekable",
            $"The data of entry '{entry.DumpId}' ('{entry.Tag}') cannot be opened: the archive comes from a stream that cannot seek.",
            "Read the data in archive order with ReadDataAsync, or save the archive to a file first.")
    {
    }
}
