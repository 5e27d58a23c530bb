namespace OmniPg.Partman;

/// <summary>A partition that came back.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Lower">Its lower bound, inside.</param>
/// <param name="Upper">Its upper bound, outside.</param>
/// <param name="Rows">Its rows.</param>
public sealed record RestoreResult(QualifiedName Partition, PartitionBound Lower, PartitionBound Upper, long Rows);
