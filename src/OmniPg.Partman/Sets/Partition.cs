namespace OmniPg.Partman;

/// <summary>One partition as the catalog shows it.</summary>
/// <param name="Name">The table.</param>
/// <param name="Lower">Lower bound, inside; <see langword="default"/> for the default partition.</param>
/// <param name="Upper">Upper bound, outside; <see langword="default"/> for the default partition.</param>
public sealed record Partition(QualifiedName Name, PartitionBound Lower, PartitionBound Upper)
{
    /// <summary>Whether it takes the rows that no other partition takes.</summary>
    public bool IsDefault { get; init; }

    /// <summary>Whether it is partitioned itself.</summary>
    public bool IsPartitioned { get; init; }

    /// <summary>Whether a <c>DETACH CONCURRENTLY</c> of it was interrupted: it takes no new rows, and the next maintenance finishes it.</summary>
    public bool DetachPending { get; init; }

    /// <summary>Rows by the server's last count (<c>ANALYZE</c>, <c>VACUUM</c>); −1 when it never counted.</summary>
    public long EstimatedRows { get; init; }

    /// <summary>Size with indexes and TOAST; in plans that of the table alone by the server's last count. 0 where nobody asked.</summary>
    public long TotalBytes { get; init; }

    /// <summary>What the next maintenance would do with it. In lists and plans only.</summary>
    public PartitionFate Fate { get; init; }

    internal uint Oid { get; init; }

    /// <summary>Version of its row in <c>pg_class</c> (<c>xmin</c>), which changes when it is detached, attached or renamed.</summary>
    internal string Version { get; init; } = "";

    internal long TableBytes { get; init; }
}

/// <summary>What the next maintenance would do with a partition.</summary>
public enum PartitionFate
{
    /// <summary>It stays.</summary>
    Keep,

    /// <summary>It does not exist yet and would be created.</summary>
    Create,

    /// <summary>It would be detached.</summary>
    Detach,

    /// <summary>It would be detached and moved to another schema.</summary>
    Move,

    /// <summary>It would be dropped.</summary>
    Drop,

    /// <summary>It would be archived and then dropped.</summary>
    Archive,
}

/// <summary>Where a value belongs.</summary>
/// <param name="Partition">Name of the partition that takes or would take it.</param>
/// <param name="Lower">Its lower bound, inside.</param>
/// <param name="Upper">Its upper bound, outside.</param>
/// <param name="Exists">Whether that partition exists; if not, the value goes to the default partition for now, or is refused where there is none.</param>
public sealed record PartitionLocation(QualifiedName Partition, PartitionBound Lower, PartitionBound Upper, bool Exists);

/// <summary>A partition that comes or goes.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Lower">Lower bound, inside.</param>
/// <param name="Upper">Upper bound, outside.</param>
/// <param name="Fate">What becomes of it.</param>
public sealed record PartitionChange(QualifiedName Partition, PartitionBound Lower, PartitionBound Upper, PartitionFate Fate);
