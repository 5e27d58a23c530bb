namespace OmniPg.Partman;

/// <summary>Something that a maintenance leaves alone on purpose.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Text">A sentence about it.</param>
public sealed record PartitionSkipped(SkipReason Reason, string Text);

/// <summary>Why a maintenance leaves something alone.</summary>
public enum SkipReason
{
    /// <summary>The server is a standby.</summary>
    Standby,

    /// <summary>An undo or a drain is under way, or a partition of an expired partition is still to be archived, dropped or moved.</summary>
    InProgress,

    /// <summary>The last partition of a set never retires.</summary>
    LastPartition,

    /// <summary>No row tells which partition is the current one.</summary>
    NoRows,

    /// <summary>The newest row lies so far ahead of the clock that it is taken for a mistake.</summary>
    Outlier,

    /// <summary>More partitions are missing than one run creates.</summary>
    TooMany,

    /// <summary>Retention would take them at once.</summary>
    Expired,
}
