namespace OmniPg.Partman;

/// <summary>How a live table becomes a set, and how gently.</summary>
public sealed class ConversionOptions : ICheckedOptions
{
    /// <summary>The set that it becomes. <see cref="PartitionSetOptions.Start"/> and <see cref="PartitionSetOptions.IdStart"/> default to the oldest row.</summary>
    public PartitionSetOptions Set { get; set; } = new();

    /// <summary>Which way. Default <see cref="ConversionStrategy.CopyAndSwap"/>.</summary>
    public ConversionStrategy Strategy { get; set; }

    /// <summary>
    /// Rows in a transaction of the copy. Default <see langword="null"/>: as many as take about half a second, 1,000 to 200,000. Range 1 to 1,000,000. With <see cref="ConversionStrategy.CopyAndSwap"/> only.
    /// </summary>
    public int? BatchSize { get; set; }

    /// <summary>
    /// Sessions that copy and compare side by side, each in transactions of its own. Default <see langword="null"/>: one for each processor here, at most 4. Range 1 to
    /// 32, with <see cref="ConversionStrategy.CopyAndSwap"/> only. Never more than the pool of the data source has beside five of its connections, nor than half of what server,
    /// database and role have left.
    /// </summary>
    public int? Sessions { get; set; }

    /// <summary>Pause behind each batch, behind those that are copied side by side, and behind each range that is drained. Default none, at most 1 h; none with <see cref="ConversionStrategy.AttachAsLegacy"/>.</summary>
    public TimeSpan PauseBetweenBatches { get; set; }

    /// <summary>
    /// Whether changes behind the swap are noted, too, until the conversion is finished, so that <see cref="IPartman.SwapBackAsync"/> loses none of them.
    /// Costs every writer a row in the log. Default <see langword="true"/>; without it nothing can be swapped back. Only <see cref="ConversionStrategy.CopyAndSwap"/> has a way back to do without.
    /// </summary>
    public bool KeepWayBack { get; set; } = true;

    /// <summary>
    /// Whether autovacuum leaves the table and the partitions alone while rows are copied, or drained out of the default partition; in a drain that partition and those that
    /// exist at its start, not those that it makes, and not a table that somebody holds then. Each has its own setting back when the call ends, whatever ends it; behind a process
    /// that was killed, or where a table could not be locked, with the next call on the conversion or the next maintenance, and until then <see cref="IPartman.CheckAsync"/> tells of it. Default <see langword="false"/>.
    /// </summary>
    public bool SuspendAutovacuum { get; set; }

    /// <summary>
    /// Time that <see cref="ConversionStrategy.AttachAsLegacy"/> may take: the table ends at the first boundary behind it, and takes no rows behind that until it is a
    /// partition. Default <see langword="null"/>: an interval of the set, and 24 h at least.
    /// </summary>
    public PgInterval? SafetyWindow { get; set; }

    /// <summary>The same for a set by id, in ids behind the newest one. Default <see langword="null"/>: an interval of the set.</summary>
    public long? IdSafetyWindow { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Defined<ConversionStrategy>(Strategy);
        check.Range(BatchSize, 1, 1_000_000);
        check.Range(Sessions, 1, 32);
        check.Range<TimeSpan>(PauseBetweenBatches, TimeSpan.Zero, TimeSpan.FromHours(1));
        check.That(Strategy == ConversionStrategy.CopyAndSwap || (BatchSize is null && Sessions is null && KeepWayBack), "BatchSize, Sessions and a way back that is not kept are for CopyAndSwap: the other ways copy nothing, and none of them leads back.");
        check.That(Strategy != ConversionStrategy.AttachAsLegacy || PauseBetweenBatches == TimeSpan.Zero, "PauseBetweenBatches is for ways that move rows, and AttachAsLegacy moves none.");
        check.That(Set.SubPartitions is null, "Set.SubPartitions does not go with a conversion: create such a set beside the table.");
        check.That(Set.HashColumn is null, "Set.HashColumn does not go with a conversion: create such a set beside the table.");
        check.That(SafetyWindow is not { } window || window.Estimate > TimeSpan.Zero, $"SafetyWindow '{SafetyWindow}' must be positive.");
        check.AtLeast(IdSafetyWindow, 1);
        check.That(
            (SafetyWindow is null || Set.Interval is not null) && (IdSafetyWindow is null || Set.IdInterval is not null) && ((SafetyWindow is null && IdSafetyWindow is null) || Strategy == ConversionStrategy.AttachAsLegacy),
            "SafetyWindow is for AttachAsLegacy and sets by time, IdSafetyWindow for AttachAsLegacy and sets by id.");
        check.That(Strategy != ConversionStrategy.AttachAsLegacy || Set.IdInterval != 1, "AttachAsLegacy makes the table a range, and a set with one id in each partition has none.");
        check.That(Strategy != ConversionStrategy.DrainDefault || Set.DefaultPartition, "DrainDefault makes the table the default partition, and Set.DefaultPartition is off.");
        check.That(!SuspendAutovacuum || Strategy != ConversionStrategy.AttachAsLegacy, "SuspendAutovacuum is for ways that move rows, and AttachAsLegacy moves none.");
        check.That(!Set.AllowNull, "Set.AllowNull does not go with a conversion: the primary key of the set holds the control column.");
    }
}

/// <summary>A way to make a set of a table that has rows and is in use.</summary>
public enum ConversionStrategy
{
    /// <summary>
    /// The rows are copied in batches into a partitioned table beside it, with a log of the keys that are written to meanwhile; then both change their names in
    /// one short transaction. Needs the room for a second copy.
    /// </summary>
    CopyAndSwap,

    /// <summary>
    /// The table itself becomes the first partition, up to a boundary ahead of now, and partitions follow from there: one scan beside readers and writers, and no
    /// copy. It retires as one, when all of it is expired. Nothing leads back but <see cref="IPartman.UndoAsync"/>.
    /// </summary>
    AttachAsLegacy,

    /// <summary>
    /// The table itself becomes the default partition, and its rows move from there into partitions, each range in one transaction that locks the set exclusively.
    /// For small tables: each time the server looks through all that is left. Nothing leads back but <see cref="IPartman.UndoAsync"/>.
    /// </summary>
    DrainDefault,
}
