using System.Collections.Immutable;

namespace OmniPg.Wal;

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
    public ImmutableArray<uint> Subtransactions { get; init; } = [];

    /// <summary>Name of the prepared transaction, when the server logged it (<c>wal_level = logical</c>); else <see langword="null"/>.</summary>
    public string? PreparedName { get; init; }
}
