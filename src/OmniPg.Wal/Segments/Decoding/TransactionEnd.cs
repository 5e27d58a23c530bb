using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace OmniPg.Wal;

/// <summary>Reads commit and abort records (<c>xl_xact_commit</c>, <c>xl_xact_abort</c>, <c>ParseCommitRecord</c>).</summary>
internal static class TransactionEnd
{
    private const uint HasDatabase = 1 << 0;
    private const uint HasSubtransactions = 1 << 1;
    private const uint HasRelations = 1 << 2;
    private const uint HasInvalidations = 1 << 3;
    private const uint HasTwoPhase = 1 << 4;
    private const uint HasName = 1 << 7;
    private const uint HasDroppedStatistics = 1 << 8;

    private const int RelationSize = 12;
    private const int InvalidationSize = 16;

    /// <summary>Reads the time of a commit, plain or of a prepared transaction, without allocating.</summary>
    /// <param name="header">Header of a record of the resource manager Transaction.</param>
    /// <param name="body">At least the first 21 bytes behind the header.</param>
    /// <param name="time">Microseconds since 2000-01-01 UTC.</param>
    /// <returns>Whether the record is a commit.</returns>
    public static bool TryReadCommitTime(in RecordHeader header, ReadOnlySpan<byte> body, out long time)
    {
        time = 0;
        return (header.Info & TransactionOperation.Mask) is TransactionOperation.Commit or TransactionOperation.CommitPrepared
            && BinaryPrimitives.TryReadInt64LittleEndian(MainData.Find(body), out time);
    }

    /// <returns>The decoded record, or <see langword="null"/> when it is no commit or abort.</returns>
    public static WalTransactionEnd? Decode(in RecordHeader header, ReadOnlySpan<byte> body, int major)
    {
        var operation = header.Info & TransactionOperation.Mask;
        var isPrepared = operation is TransactionOperation.CommitPrepared or TransactionOperation.AbortPrepared;
        var isCommit = operation is TransactionOperation.Commit or TransactionOperation.CommitPrepared;
        if (!isPrepared && !isCommit && operation != TransactionOperation.Abort)
            return null;

        var cursor = new BodyCursor(MainData.Find(body));
        var time = cursor.Time();
        var parts = (header.Info & TransactionOperation.HasInfo) != 0 ? cursor.UInt32() : 0;
        cursor.Skip((parts & HasDatabase) != 0 ? 8 : 0);
        var subtransactions = (parts & HasSubtransactions) != 0 ? cursor.Array(sizeof(uint)) : default;
        SkipDropped(ref cursor, parts, major);
        var twoPhaseXid = (parts & HasTwoPhase) != 0 ? cursor.UInt32() : 0;
        var name = (parts & HasTwoPhase) != 0 && (parts & HasName) != 0 ? cursor.CString() : default;
        return cursor.IsOverrun ? null : new WalTransactionEnd
        {
            IsCommit = isCommit,
            IsPrepared = isPrepared,
            TransactionId = isPrepared ? twoPhaseXid : header.Xid,
            Time = time,
            Subtransactions = [.. MemoryMarshal.Cast<byte, uint>(subtransactions)],
            PreparedName = name.IsEmpty ? null : Encoding.UTF8.GetString(name),
        };
    }

    private static void SkipDropped(ref BodyCursor cursor, uint parts, int major)
    {
        if ((parts & HasRelations) != 0)
            cursor.SkipArray(RelationSize);

        if ((parts & HasDroppedStatistics) != 0)
        {
            // Object ids of statistics became 64 bits wide in PostgreSQL 18; an unknown version is read like the newest.
            cursor.SkipArray(major is > 0 and < 18 ? 12 : 16);
        }

        if ((parts & HasInvalidations) != 0)
            cursor.SkipArray(InvalidationSize);
    }
}
