namespace Tour.Wal;

/// <summary>One segment with the sizes of its two copies.</summary>
internal sealed record ArchivedSegment(string Name, long RawBytes, long ZstdBytes, long Lz4Bytes)
{
    public string[] Row() =>
    [
        Name,
        Stage.Number(RawBytes / 1048576.0),
        Stage.Number(ZstdBytes / 1048576.0),
        Stage.Number((double)RawBytes / ZstdBytes) + " x",
        Stage.Number(Lz4Bytes / 1048576.0),
        Stage.Number((double)RawBytes / Lz4Bytes) + " x",
    ];
}
