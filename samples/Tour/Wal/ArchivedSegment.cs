namespace Tour.Wal;

/// <summary>One segment with the sizes of its two copies.</summary>
internal sealed record ArchivedSegment(string Name, long RawBytes, long ZstdBytes, long Lz4Bytes)
{
    public string[] Row() =>
    [
        Name,
        Stage.Size(RawBytes),
        Stage.Size(ZstdBytes),
        Ratio(ZstdBytes),
        Stage.Size(Lz4Bytes),
        Ratio(Lz4Bytes),
    ];

    private string Ratio(long stored) => $"{Stage.Number((double)RawBytes / stored, RawBytes / stored < 100 ? "0.0" : "0")} x";
}
