using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>One verified record of the write-ahead log.</summary>
public readonly record struct WalRecord
{
    /// <summary>WAL position of its first byte.</summary>
    public NpgsqlLogSequenceNumber Lsn { get; init; }

    /// <summary>Start of the record before, as the record says it; 0/0 for the first record of a cluster.</summary>
    public NpgsqlLogSequenceNumber Previous { get; init; }

    /// <summary>WAL position behind its last byte, aligned to 8: where the next record starts, unless a page header stands there.</summary>
    public NpgsqlLogSequenceNumber End { get; init; }

    /// <summary>Transaction that wrote it; 0 for none.</summary>
    public uint TransactionId { get; init; }

    /// <summary>Id of its resource manager.</summary>
    public byte Rmgr { get; init; }

    /// <summary>Name of its resource manager, as <c>pg_waldump</c> shows it.</summary>
    public string RmgrName => WalRmgr.NameOf(Rmgr);

    /// <summary>Flag byte; the upper half (for transactions bits 4 to 6) is the operation of the resource manager.</summary>
    public byte Info { get; init; }

    /// <summary>Major version of the server that wrote it, which decides what <see cref="Info"/> means; 0 when it is not known.</summary>
    public int PgMajor { get; init; }

    /// <summary>Bytes of the record with its header, without page headers that lie in it.</summary>
    public int TotalLength { get; init; }

    /// <summary>Decoded content of commits, aborts, restore points, checkpoints, ends of recovery and of backups; <see langword="null"/> for all other records.</summary>
    public WalRecordDetail? Detail { get; init; }

    /// <summary>The bytes behind the record header; empty unless <see cref="WalReadOptions.IncludeData"/> is set.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }
}
