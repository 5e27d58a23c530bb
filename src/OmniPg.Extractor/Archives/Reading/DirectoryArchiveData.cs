using System.Runtime.CompilerServices;

namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Data files of a directory archive: one per table, one per large object with a list of them.</summary>
internal sealed class DirectoryArchiveData(string directory, ArchiveToc toc) : ArchiveData
{
    public override async IAsyncEnumerable<ArchiveDataBlock> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var entry in toc.Entries)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!entry.HasData || entry.Data.FileName is not { } fileName)
                continue;
            if (entry.Kind != TocKind.Blobs)
            {
                await foreach (var block in Yield(entry, fileName, null).ConfigureAwait(false))
                    yield return block;
                continue;
            }
            await foreach (var (oid, name) in LargeObjectList.ReadAsync(directory, entry, cancellationToken).ConfigureAwait(false))
            {
                await foreach (var block in Yield(entry, name, oid).ConfigureAwait(false))
                    yield return block;
            }
        }
    }

    public override Stream Open(TocEntry entry) => entry.Data.FileName is { } name
        ? DirectoryFile.Open(directory, name, entry.Index)
        : throw new ArchiveFormatException(new ArchiveLocation(0, entry.Index, "file name"), $"no file is named for the data of entry '{entry.DumpId}'");

    public override void Dispose()
    {
    }

    private async IAsyncEnumerable<ArchiveDataBlock> Yield(TocEntry entry, string fileName, uint? oid)
    {
        var content = DirectoryFile.Open(directory, fileName, entry.Index, mayBeEmpty: oid is not null);
        await using (content.ConfigureAwait(false))
        {
            var block = new ArchiveDataBlock(entry, oid, content, toc.Session.Encoding);
            yield return block;
            block.Close();
        }
    }
}
