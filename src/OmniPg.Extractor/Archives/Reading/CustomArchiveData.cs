using System.Runtime.CompilerServices;

namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Data blocks of a custom archive, which follow the table of contents in its order.</summary>
internal sealed class CustomArchiveData(ArchiveSource source, ArchiveToc toc) : ArchiveData
{
    private readonly long _start = source.First.Position;
    private Dictionary<int, long>? _positions;

    public override async IAsyncEnumerable<ArchiveDataBlock> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var input = source.OpenAt(_start);
        var blocks = new BlockReader(input, toc.Header, toc.ById);
        var expected = toc.Entries.Where(entry => entry.HasData).Select(entry => entry.DumpId).ToHashSet();
        while (await blocks.NextAsync(cancellationToken).ConfigureAwait(false) is { } head)
        {
            expected.Remove(head.Entry.DumpId);
            if (!head.IsLargeObjects)
            {
                await foreach (var block in Yield(blocks, head.Entry, null, cancellationToken).ConfigureAwait(false))
                    yield return block;
                continue;
            }
            while (await blocks.NextLargeObjectAsync(head.Entry, cancellationToken).ConfigureAwait(false) is { } oid)
            {
                await foreach (var block in Yield(blocks, head.Entry, oid, cancellationToken).ConfigureAwait(false))
                    yield return block;
            }
        }
        // A file cut exactly between two blocks looks like a whole one but for this.
        foreach (var id in expected)
            throw Missing(toc.ById[id], input.Position);
    }

    public override Stream Open(TocEntry entry)
    {
        if (!source.CanSeek)
            throw new ArchiveNotSeekableException(entry);
        var input = source.OpenAt(PositionOf(entry));
        try
        {
            var blocks = new BlockReader(input, toc.Header, toc.ById);
            var head = blocks.Next();
            if (head is null || head.Value.Entry.DumpId != entry.DumpId || head.Value.IsLargeObjects)
                throw new ArchiveFormatException(new ArchiveLocation(input.Position, entry.Index, "data offset"), $"no data block of entry '{entry.DumpId}' stands there");
            return new OwningStream(blocks.OpenContent(blocks.OpenChunks(entry), entry), input);
        }
        catch
        {
            input.Dispose();
            throw;
        }
    }

    public override void Dispose() => source.Dispose();

    private async IAsyncEnumerable<ArchiveDataBlock> Yield(BlockReader blocks, TocEntry entry, uint? oid, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var chunks = blocks.OpenChunks(entry);
        var content = blocks.OpenContent(chunks, entry);
        var block = new ArchiveDataBlock(entry, oid, content, toc.Session.Encoding);
        yield return block;
        block.Close();
        await content.DisposeAsync().ConfigureAwait(false);
        await chunks.SkipAsync(cancellationToken).ConfigureAwait(false);
    }

    private long PositionOf(TocEntry entry)
    {
        if (entry.Data.Position > 0)
            return entry.Data.Position;
        _positions ??= ScanPositions();
        return _positions.TryGetValue(entry.DumpId, out var position)
            ? position
            : throw Missing(entry, _start);
    }

    private static ArchiveFormatException Missing(TocEntry entry, long offset) =>
        new(new ArchiveLocation(offset, entry.Index, "data"), $"the archive holds no data block of entry '{entry.DumpId}'");

    // An archive that went through a pipe records no positions: hop over the blocks once.
    private Dictionary<int, long> ScanPositions()
    {
        var positions = new Dictionary<int, long>();
        using var input = source.OpenAt(_start);
        var blocks = new BlockReader(input, toc.Header, toc.ById);
        for (var position = input.Position; blocks.Next() is { } head; position = input.Position)
        {
            positions.TryAdd(head.Entry.DumpId, position);
            if (!head.IsLargeObjects)
                blocks.OpenChunks(head.Entry).Skip();
            while (head.IsLargeObjects && blocks.NextLargeObject(head.Entry) is not null)
                blocks.OpenChunks(head.Entry).Skip();
        }
        return positions;
    }
}
