namespace OmniPg.Partman;

/// <summary>A new set.</summary>
/// <param name="Set">The set.</param>
/// <param name="Partitions">Its partitions by their bounds, the default last.</param>
public sealed record CreateSetResult(PartitionSet Set, IReadOnlyList<Partition> Partitions)
{
    /// <summary>What was asked for and not made, and why: ranges from <see cref="PartitionSetOptions.Start"/> on that retention would take at once.</summary>
    public IReadOnlyList<PartitionSkipped> Skipped { get; init; } = [];
}
