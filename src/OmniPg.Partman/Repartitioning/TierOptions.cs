namespace OmniPg.Partman;

/// <summary>How the partitions of a set are kept when they are cold.</summary>
public sealed class TierOptions : ICheckedOptions
{
    /// <summary>
    /// The policies, in any order. A partition is kept as all those say whose age it has reached; of two that say the same of it, the one of the greater age counts.
    /// One at least.
    /// </summary>
    public IReadOnlyList<TierPolicy> Policies { get; set; } = [];

    /// <summary>Whether partitions that were rewritten stay as tables, with <c>_omnipg_old</c> behind their names. Default <see langword="false"/>: they are dropped in the transaction that attaches the proven copy.</summary>
    public bool KeepTables { get; set; }

    /// <summary>Rows in a transaction of the copy. Default 10,000, range 1 to 1,000,000.</summary>
    public int BatchSize { get; set; } = 10_000;

    /// <summary>Pause behind each batch. Default none, at most 1 h.</summary>
    public TimeSpan PauseBetweenBatches { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(Policies.Count > 0, "Policies must hold one at least.");
        check.Range<int>(BatchSize, 1, 1_000_000);
        check.Range<TimeSpan>(PauseBetweenBatches, TimeSpan.Zero, TimeSpan.FromHours(1));
        foreach (var policy in Policies)
            policy.Check(check);
        check.That(
            Policies.DistinctBy(p => (p.OlderThan?.Estimate, p.IdsBehind)).Count() == Policies.Count, "Policies must differ in their age: of two of the same age nobody could tell which one counts.");
    }
}

/// <summary>What partitions of some age are kept like. What is not said stays as it is. Give one of both ages.</summary>
public sealed class TierPolicy
{
    /// <summary>Age of its upper bound at which a partition by time is kept so.</summary>
    public PgInterval? OlderThan { get; set; }

    /// <summary>Distance of its upper bound from the newest id at which a partition by id is kept so; at least 1.</summary>
    public long? IdsBehind { get; set; }

    /// <summary>Tablespace of the partition, and of those of its indexes for which the set names none.</summary>
    public string? Tablespace { get; set; }

    /// <summary>Access method of the partition (<c>pg_am</c>), such as <c>heap</c>, or that of an extension.</summary>
    public string? AccessMethod { get; set; }

    /// <summary>Method that all values of the partition that can be compressed are compressed with: <c>pglz</c>, or <c>lz4</c> where the server was built with it.</summary>
    public string? Compression { get; set; }

    /// <summary>
    /// Columns that get an index of kind BRIN each, in place of the partition's own of kind B-tree on that column alone. An index that the set has is none that a
    /// partition can do without: let it come from a template.
    /// </summary>
    public IReadOnlyList<string> BrinColumns { get; set; } = [];

    internal void Check(OptionsCheck check)
    {
        check.That((OlderThan is null) != (IdsBehind is null), $"Exactly one of OlderThan '{OlderThan}' and IdsBehind '{IdsBehind}' must be given.");
        check.That(OlderThan is not { } age || age.Estimate > TimeSpan.Zero, $"OlderThan '{OlderThan}' must be positive.");
        check.AtLeast(IdsBehind, 1);
        check.Identifier(Tablespace, "tablespace");
        check.Identifier(AccessMethod, "access method");
        check.That(Compression is null or "pglz" or "lz4", $"Compression '{Compression}' is none of pglz, lz4.");
        foreach (var column in BrinColumns)
            check.Identifier(column, "column", nameof(BrinColumns));
        check.That(Tablespace is not null || AccessMethod is not null || Compression is not null || BrinColumns.Count > 0, "A policy must say something: Tablespace, AccessMethod, Compression or BrinColumns.");
    }
}

/// <summary>A partition that is kept otherwise than before.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Changes">What is other.</param>
/// <param name="Rows">Rows that were copied for it; 0 where only indexes were.</param>
public sealed record TieredPartition(QualifiedName Partition, IReadOnlyList<TierChange> Changes, long Rows);

/// <summary>What is other about a partition.</summary>
public enum TierChange
{
    /// <summary>Its tablespace.</summary>
    Tablespace,

    /// <summary>Its access method.</summary>
    AccessMethod,

    /// <summary>How its values are compressed.</summary>
    Compression,

    /// <summary>An index of kind BRIN has the place of another one.</summary>
    Index,
}
