using System.Runtime.CompilerServices;

namespace OmniPg.Extractor;

/// <summary>Data blocks of a custom archive, which follow the table of contents in its order.</summary>
internal sealed partial class CustomArchiveData(ArchiveBytes source, ArchiveToc toc) : ArchiveData
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

    /// <summary>Reads the heads of data blocks of a custom archive and opens their content.</summary>
    private sealed class BlockReader(ArchiveInput input, ArchiveHeader header, IReadOnlyDictionary<int, TocEntry> byId)
    {
        private const byte DataType = 1;
        private const byte LargeObjectsType = 3;
        private readonly ArchiveNumbers _numbers = new(header.IntegerSize, header.OffsetSize);
        private int _missing;

        /// <summary>Head of the next block, or null at the end of the archive.</summary>
        public BlockHead? Next()
        {
            BlockHead? head;
            while ((head = TryHead()) is null)
            {
                if (!input.Fill(_missing))
                    return input.Available.IsEmpty ? null : throw Truncated("block head", null);
            }
            return head;
        }

        /// <inheritdoc cref="Next"/>
        public async ValueTask<BlockHead?> NextAsync(CancellationToken cancellationToken)
        {
            BlockHead? head;
            while ((head = TryHead()) is null)
            {
                if (!await input.FillAsync(_missing, cancellationToken).ConfigureAwait(false))
                    return input.Available.IsEmpty ? null : throw Truncated("block head", null);
            }
            return head;
        }

        /// <summary>OID of the next large object in the block, or null at the end of the block.</summary>
        public uint? NextLargeObject(TocEntry entry)
        {
            uint oid;
            while (!TryLargeObject(entry, out oid))
            {
                if (!input.Fill(_missing))
                    throw Truncated("large object", entry.Index);
            }
            return oid == 0 ? null : oid;
        }

        /// <inheritdoc cref="NextLargeObject"/>
        public async ValueTask<uint?> NextLargeObjectAsync(TocEntry entry, CancellationToken cancellationToken)
        {
            uint oid;
            while (!TryLargeObject(entry, out oid))
            {
                if (!await input.FillAsync(_missing, cancellationToken).ConfigureAwait(false))
                    throw Truncated("large object", entry.Index);
            }
            return oid == 0 ? null : oid;
        }

        public ChunkStream OpenChunks(TocEntry entry) => new(input, _numbers, entry.Index);

        public Stream OpenContent(ChunkStream chunks, TocEntry entry) =>
            Decompression.OpenBlock(header.Compression, chunks, () => new ArchiveLocation(input.Position, entry.Index, "data"));

        private BlockHead? TryHead()
        {
            var cursor = Cursor(null);
            var at = cursor.At("block type");
            var type = cursor.Byte("block type");
            if (!cursor.IsIncomplete && type is not (DataType or LargeObjectsType))
                throw new ArchiveFormatException(at, $"the block type is '{type}' instead of '{DataType}' or '{LargeObjectsType}'");
            at = cursor.At("block id");
            var id = cursor.Int32("block id");
            if (cursor.IsIncomplete)
            {
                _missing = cursor.Missing;
                return null;
            }
            if (!byId.TryGetValue(id, out var entry))
                throw new ArchiveFormatException(at, $"a data block belongs to entry '{id}', which is not in the table of contents");
            input.Advance(cursor.Position);
            return new BlockHead(entry, type == LargeObjectsType);
        }

        private bool TryLargeObject(TocEntry entry, out uint oid)
        {
            var cursor = Cursor(entry.Index);
            oid = (uint)cursor.Int32("large object");
            if (cursor.IsIncomplete)
            {
                _missing = cursor.Missing;
                return false;
            }
            input.Advance(cursor.Position);
            return true;
        }

        private ArchiveCursor Cursor(int? entryIndex) => new(input.Available, input.Position, entryIndex) { Numbers = _numbers };

        private ArchiveFormatException Truncated(string field, int? entryIndex) =>
            new(new ArchiveLocation(input.Position + input.Available.Length, entryIndex, field), "the archive ends within a data block");
    }

    /// <summary>Head of a data block: whose it is, and whether it holds large objects.</summary>
    private readonly record struct BlockHead(TocEntry Entry, bool IsLargeObjects);

    /// <summary>A stream that disposes what it reads from together with itself.</summary>
    private sealed class OwningStream(Stream content, IDisposable owned) : ReadOnlyStream
    {
        public override int Read(Span<byte> buffer) => content.Read(buffer);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            content.ReadAsync(buffer, cancellationToken);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                content.Dispose();
                owned.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
