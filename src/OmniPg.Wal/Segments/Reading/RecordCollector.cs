using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Observer that turns verified records into <see cref="WalRecord"/> values until the reader fetches them.</summary>
internal sealed class RecordCollector(WalReadOptions options) : IRecordObserver
{
    private PgMajor? _major;

    /// <summary>Records since the last fetch.</summary>
    public List<WalRecord> Records { get; } = [];

    public void OnSegmentStart(PgMajor major) => _major = major;

    public int BytesNeeded(in RecordHeader header) => options.IncludeData || RecordDecoder.Wants(header) ? int.MaxValue : 0;

    public void OnRecord(in RecordHeader header, ulong start, ulong end, ReadOnlySpan<byte> body) => Records.Add(new WalRecord
    {
        Lsn = new NpgsqlLogSequenceNumber(start),
        Previous = new NpgsqlLogSequenceNumber(header.Previous),
        End = new NpgsqlLogSequenceNumber(end),
        TransactionId = header.Xid,
        Rmgr = header.Rmgr,
        Info = header.Info,
        TotalLength = (int)header.TotalLength,
        Detail = RecordDecoder.Decode(header, body, _major!.Number),
        PgMajor = _major.Number,
        Data = options.IncludeData ? body.ToArray() : default(ReadOnlyMemory<byte>),
    });
}
