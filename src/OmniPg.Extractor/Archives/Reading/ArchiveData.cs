namespace OmniPg.Extractor.Archives.Reading;

/// <summary>The data part of an archive, whichever its shape.</summary>
internal abstract class ArchiveData : IDisposable
{
    /// <summary>Every data block in archive order.</summary>
    public abstract IAsyncEnumerable<ArchiveDataBlock> ReadAsync(CancellationToken cancellationToken);

    /// <summary>The decompressed data of one entry; the caller disposes the stream.</summary>
    public abstract Stream Open(TocEntry entry);

    public abstract void Dispose();
}
