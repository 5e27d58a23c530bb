using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Decoded content of the few kinds of record that recovery decisions depend on. Match on the derived type.</summary>
public abstract record WalRecordDetail
{
    private protected WalRecordDetail()
    {
    }
}

/// <summary>End of a base backup made on a primary: from here on it is consistent.</summary>
/// <param name="StartLsn">Where the backup started.</param>
public sealed record WalBackupEnd(NpgsqlLogSequenceNumber StartLsn) : WalRecordDetail;

/// <summary>A checkpoint.</summary>
/// <param name="IsShutdown">Whether it ends a clean shutdown or a recovery; otherwise it was made while the server ran.</param>
/// <param name="Redo">Where replay from this checkpoint starts.</param>
/// <param name="Timeline">Timeline of the server.</param>
/// <param name="PreviousTimeline">Timeline before; different when the checkpoint ends a recovery.</param>
public sealed record WalCheckpoint(bool IsShutdown, NpgsqlLogSequenceNumber Redo, uint Timeline, uint PreviousTimeline) : WalRecordDetail;

/// <summary>First record of a promoted server on its new timeline.</summary>
/// <param name="Time">When recovery ended by the server's clock (UTC, microseconds).</param>
/// <param name="Timeline">The new timeline.</param>
/// <param name="PreviousTimeline">The timeline that was left.</param>
public sealed record WalEndOfRecovery(DateTimeOffset Time, uint Timeline, uint PreviousTimeline) : WalRecordDetail;

/// <summary>Says that an unfinished record was given up after a crash.</summary>
/// <param name="Lsn">Where the unfinished record starts.</param>
public sealed record WalOverwrittenRecord(NpgsqlLogSequenceNumber Lsn) : WalRecordDetail;

/// <summary>A named restore point (<c>pg_create_restore_point</c>): a target for <c>recovery_target_name</c>.</summary>
/// <param name="Name">Its name; bytes that are no UTF-8 are shown as U+FFFD.</param>
/// <param name="Time">When it was made by the server's clock (UTC, microseconds).</param>
public sealed record WalRestorePoint(string Name, DateTimeOffset Time) : WalRecordDetail
{
    /// <summary>Start of its record.</summary>
    public NpgsqlLogSequenceNumber Lsn { get; init; }

    /// <summary>The segment in which its record ends; <see langword="null"/> when it was read from a segment without a name.</summary>
    public WalFileName? File { get; init; }
}

/// <summary>Commit or abort of a transaction; what a recovery target of kind time or xid is compared with.</summary>
public sealed record WalTransactionEnd : WalRecordDetail
{
    /// <summary>Whether the transaction committed; otherwise it was aborted.</summary>
    public bool IsCommit { get; init; }

    /// <summary>Whether it was a prepared transaction (<c>COMMIT PREPARED</c>, <c>ROLLBACK PREPARED</c>).</summary>
    public bool IsPrepared { get; init; }

    /// <summary>The transaction that ended. For a prepared transaction not the xid of the record, which is 0, but the one that was prepared.</summary>
    public uint TransactionId { get; init; }

    /// <summary>When it ended by the server's clock (UTC, microseconds).</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>Committed or aborted subtransactions; they are never recovery targets.</summary>
    public IReadOnlyList<uint> Subtransactions { get; init; } = [];

    /// <summary>Name of the prepared transaction, when the server logged it (<c>wal_level = logical</c>); else <see langword="null"/>.</summary>
    public string? PreparedName { get; init; }
}
