namespace OmniPg.Wal.Tests.Segments;

/// <summary>Where the content of records lies. A fixed offset may hit a record of the segment before, whose checksum only both segments tell.</summary>
internal static class RecordBytes
{
    private const int HeaderLength = 24;

    /// <summary>Offset of the first byte behind the header of a record that starts at or behind an offset and lies in the segment as a whole.</summary>
    public static async Task<int> InBodyAsync(byte[] segment, int from = 0)
    {
        await foreach (var record in WalSegmentReader.ReadAsync(new MemoryStream(segment), cancellationToken: TestContext.Current.CancellationToken))
        {
            var offset = (long)((ulong)record.Lsn % (uint)segment.Length);
            if (offset >= from && record.TotalLength > HeaderLength && (offset % 8192) + HeaderLength < 8192)
                return (int)offset + HeaderLength;
        }

        throw new InvalidOperationException($"No record starts behind {from}.");
    }
}
