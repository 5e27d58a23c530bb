namespace OmniPg.Partman;

/// <summary>Values that stand in a set more than once.</summary>
/// <param name="Keys">How many different values do.</param>
/// <param name="Rows">Rows that hold them.</param>
/// <param name="Worst">The most frequent ones first, at most 1,000.</param>
public sealed record DuplicatesResult(long Keys, long Rows, IReadOnlyList<DuplicateKey> Worst);

/// <summary>A value that stands in a set more than once.</summary>
/// <param name="Values">The values of the columns asked for, as text.</param>
/// <param name="Rows">Rows that hold them.</param>
/// <param name="Partitions">Where these rows are.</param>
public sealed record DuplicateKey(IReadOnlyList<string> Values, long Rows, IReadOnlyList<QualifiedName> Partitions);
