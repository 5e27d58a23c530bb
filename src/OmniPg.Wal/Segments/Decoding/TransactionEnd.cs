using System.Buffers.Binary;

namespace OmniPg.Wal.Segments;

/// <summary>Reads commit and abort records (<c>xl_xact_commit</c>, <c>xl_xact_abort</c>).</summary>
internal static class TransactionEnd
{
    /// <summary>Reads the time of a commit, plain or of a prepared transaction.</summary>
    /// <param name="header">Header of a record of the resource manager Transaction.</param>
    /// <param name="body">At least the first 21 bytes behind the header.</param>
    /// <param name="time">Microseconds since 2000-01-01 UTC.</param>
    /// <returns>Whether the record is a commit.</returns>
    public static bool TryReadCommitTime(in RecordHeader header, ReadOnlySpan<byte> body, out long time)
    {
        time = 0;
        return (header.Info & TransactionOperation.Mask) is TransactionOperation.Commit or TransactionOperation.CommitPrepared
            && TryReadTime(MainData.Find(body), out time);
    }

    public static bool TryReadTime(ReadOnlySpan<byte> mainData, out long time) => BinaryPrimitives.TryReadInt64LittleEndian(mainData, out time);
}
