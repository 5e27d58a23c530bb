using System.Text;

namespace OmniPg.Extractor;

/// <summary>The data of one entry, or of one large object of a <c>BLOBS</c> entry, while the archive stands there.</summary>
/// <remarks>Valid until the next block is asked for. What is not read is skipped. Not thread-safe.</remarks>
public sealed class ArchiveDataBlock
{
    private readonly Encoding _encoding;
    private Stream? _content;

    internal ArchiveDataBlock(TocEntry entry, uint? largeObjectOid, Stream content, Encoding encoding)
    {
        Entry = entry;
        LargeObjectOid = largeObjectOid;
        _content = content;
        _encoding = encoding;
    }

    /// <summary>The entry the data belongs to.</summary>
    public TocEntry Entry { get; }

    /// <summary>OID of the large object; null for everything else.</summary>
    public uint? LargeObjectOid { get; }

    /// <summary>Decompressed bytes: COPY text with its closing <c>\.</c> line, INSERT statements, or the content of a large object.</summary>
    /// <returns>A forward-only stream; call this once per block.</returns>
    /// <exception cref="InvalidOperationException">The block was opened before, or the archive has moved on.</exception>
    public Stream OpenRead()
    {
        var content = _content ?? throw new InvalidOperationException("The data block was opened before, or the archive has moved on to the next block.");
        _content = null;
        return content;
    }

    /// <summary>The same as text in the archive's encoding. Not for large objects, which hold bytes.</summary>
    /// <returns>A reader; call this once per block.</returns>
    /// <exception cref="InvalidOperationException">The block was opened before, or the archive has moved on.</exception>
    public TextReader OpenText() => new StreamReader(OpenRead(), _encoding, detectEncodingFromByteOrderMarks: false);

    internal void Close() => _content = null;
}

/// <summary>The data part of an archive, whichever its shape.</summary>
internal abstract class ArchiveData : IDisposable
{
    /// <summary>Every data block in archive order.</summary>
    public abstract IAsyncEnumerable<ArchiveDataBlock> ReadAsync(CancellationToken cancellationToken);

    /// <summary>The decompressed data of one entry; the caller disposes the stream.</summary>
    public abstract Stream Open(TocEntry entry);

    public abstract void Dispose();
}
