namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Reads the heads of data blocks of a custom archive and opens their content.</summary>
internal sealed class BlockReader(ArchiveInput input, ArchiveHeader header, IReadOnlyDictionary<int, TocEntry> byId)
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
