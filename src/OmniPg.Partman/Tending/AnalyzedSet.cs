namespace OmniPg.Partman;

/// <summary>A set that was to be analyzed.</summary>
/// <param name="Table">The set.</param>
/// <param name="Outcome">What was done.</param>
/// <param name="PassedOver">Partitions that were left out, and the set itself where it was; empty for none, and where the server keeps no statistics of its work (<c>track_counts</c>).</param>
public sealed record AnalyzedSet(QualifiedName Table, AnalyzeFate Outcome, IReadOnlyList<QualifiedName> PassedOver);

/// <summary>What became of a set that was to be analyzed.</summary>
public enum AnalyzeFate
{
    /// <summary>The planner knows the set and all its partitions by now.</summary>
    Analyzed,

    /// <summary>It, or some of its partitions, were left out: somebody held them, or they belong to another role.</summary>
    Partly,

    /// <summary>It belongs to a role that this one is no member of, and there is no right to <c>MAINTAIN</c> it (PostgreSQL 17 and newer).</summary>
    NotOwned,

    /// <summary>It was dropped or renamed meanwhile.</summary>
    Gone,
}
