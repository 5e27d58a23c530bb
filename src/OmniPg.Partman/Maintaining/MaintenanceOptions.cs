namespace OmniPg.Partman;

/// <summary>What a maintenance is about.</summary>
public sealed class MaintenanceOptions
{
    /// <summary>The one set, whatever its automatic maintenance is set to. Default <see langword="null"/>: all sets with automatic maintenance, in their order.</summary>
    public QualifiedName? Table { get; set; }

    /// <summary>Whether <c>ANALYZE</c> runs on a set that got partitions. Default <see langword="false"/>.</summary>
    public bool Analyze { get; set; }

    /// <summary>Whether rows of a new partition's range move there from the default partition. Default <see langword="false"/>: that partition is not created, and the set fails.</summary>
    public bool DrainDefault { get; set; }

    /// <summary>Whether retention runs although the clock jumped (<see cref="ClockJumpException"/>). Default <see langword="false"/>.</summary>
    public bool AcceptClockJump { get; set; }
}

/// <summary>What a maintenance would do.</summary>
/// <param name="Sql">Every step, in order, with its locks.</param>
/// <param name="Sets">What it means for each set.</param>
public sealed record MaintenancePlan(SqlPlan Sql, IReadOnlyList<PlannedSet> Sets)
{
    internal MaintenanceOptions Options { get; init; } = new();
}

/// <summary>What a maintenance would do with a set.</summary>
/// <param name="Table">The set, as the configuration names it.</param>
/// <param name="Changes">Partitions that would come and go.</param>
/// <param name="Skipped">What would be left alone, and why.</param>
/// <param name="Error">Why nothing, or not everything, can be done; <see langword="null"/> when it can.</param>
public sealed record PlannedSet(string Table, IReadOnlyList<PartitionChange> Changes, IReadOnlyList<PartitionSkipped> Skipped, PartmanException? Error)
{
    /// <summary>Its partitions with what becomes of each, those that would be created among them, the default last; empty where the set cannot be read.</summary>
    public IReadOnlyList<Partition> Partitions { get; init; } = [];
}

/// <summary>What a maintenance did.</summary>
/// <param name="Sets">Set by set, in order.</param>
public sealed record MaintenanceResult(IReadOnlyList<SetResult> Sets)
{
    /// <summary>Whether every set is as it should be.</summary>
    public bool AllSucceeded => Sets.All(s => s.Error is null);
}

/// <summary>What a maintenance did with a set.</summary>
/// <param name="Table">The set, as the configuration names it; empty for what concerns all.</param>
/// <param name="Changes">Partitions that came and went.</param>
/// <param name="Skipped">What was left alone, and why.</param>
/// <param name="Error">What went wrong; <see langword="null"/> when nothing did. Other sets are not concerned.</param>
/// <param name="Duration">How long the set took, waits for locks included.</param>
public sealed record SetResult(string Table, IReadOnlyList<PartitionChange> Changes, IReadOnlyList<PartitionSkipped> Skipped, Exception? Error, TimeSpan Duration);
