using System.Buffers.Binary;
using System.Text;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Decodes the records that recovery decisions depend on; all others have no detail.</summary>
internal static class RecordDecoder
{
    /// <summary>Whether <see cref="Decode"/> may look into a record with this header.</summary>
    public static bool Wants(in RecordHeader header) => header.Rmgr is RmgrId.Xlog or RmgrId.Transaction;

    /// <returns>The detail, or <see langword="null"/> when there is none or the record is shorter than its kind needs.</returns>
    public static WalRecordDetail? Decode(in RecordHeader header, ReadOnlySpan<byte> body, int major) => header.Rmgr switch
    {
        RmgrId.Xlog => DecodeXlog(header.Operation, body),
        RmgrId.Transaction => TransactionEnd.Decode(header, body, major),
        _ => null,
    };

    /// <summary>Start of the record that an OVERWRITE_CONTRECORD record gives up (<c>xl_overwrite_contrecord</c>), or <see langword="null"/> when the body is too short.</summary>
    public static ulong? OverwrittenBy(ReadOnlySpan<byte> body) =>
        MainData.Find(body) is { Length: >= sizeof(ulong) } data ? BinaryPrimitives.ReadUInt64LittleEndian(data) : null;

    private static WalRecordDetail? DecodeXlog(int operation, ReadOnlySpan<byte> body)
    {
        var cursor = new BodyCursor(MainData.Find(body));
        WalRecordDetail? detail = operation switch
        {
            XlogOperation.CheckpointShutdown or XlogOperation.CheckpointOnline =>
                new WalCheckpoint(operation == XlogOperation.CheckpointShutdown, Lsn(ref cursor), cursor.UInt32(), cursor.UInt32()),
            XlogOperation.BackupEnd => new WalBackupEnd(Lsn(ref cursor)),
            XlogOperation.RestorePoint => RestorePoint(ref cursor),
            XlogOperation.EndOfRecovery => new WalEndOfRecovery(cursor.Time(), cursor.UInt32(), cursor.UInt32()),
            XlogOperation.OverwriteContrecord => new WalOverwrittenRecord(Lsn(ref cursor)),
            _ => null,
        };
        return cursor.IsOverrun ? null : detail;
    }

    private static WalRestorePoint RestorePoint(ref BodyCursor cursor)
    {
        var time = cursor.Time();
        return new WalRestorePoint(Encoding.UTF8.GetString(cursor.CString()), time);
    }

    private static NpgsqlLogSequenceNumber Lsn(ref BodyCursor cursor) => new(cursor.UInt64());
}
