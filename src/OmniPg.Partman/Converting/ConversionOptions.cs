namespace OmniPg.Partman;

/// <summary>How a live table becomes a set, and how gently.</summary>
public sealed class ConversionOptions : ICheckedOptions
{
    /// <summary>The set that it becomes. <see cref="PartitionSetOptions.Start"/> and <see cref="PartitionSetOptions.IdStart"/> default to the oldest row.</summary>
    public PartitionSetOptions Set { get; set; } = new();

    /// <summary>Which way. Default <see cref="ConversionStrategy.CopyAndSwap"/>.</summary>
    public ConversionStrategy Strategy { get; set; }

    /// <summary>Rows in a transaction of the copy. Default 10,000, range 1 to 1,000,000.</summary>
    public int BatchSize { get; set; } = 10_000;

    /// <summary>Pause behind each batch. Default none, at most 1 h.</summary>
    public TimeSpan PauseBetweenBatches { get; set; }

    /// <summary>
    /// Whether changes behind the swap are noted, too, until the conversion is finished, so that <see cref="IPartman.SwapBackAsync"/> loses none of them.
    /// Costs every writer a row in the log. Default <see langword="true"/>; without it nothing can be swapped back.
    /// </summary>
    public bool KeepWayBack { get; set; } = true;

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Defined<ConversionStrategy>(Strategy);
        check.Range<int>(BatchSize, 1, 1_000_000);
        check.Range<TimeSpan>(PauseBetweenBatches, TimeSpan.Zero, TimeSpan.FromHours(1));
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
}
