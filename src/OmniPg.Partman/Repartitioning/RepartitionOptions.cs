namespace OmniPg.Partman;

/// <summary>How the boundaries of a set become others. Give one of both intervals.</summary>
public sealed class RepartitionOptions : ICheckedOptions
{
    /// <summary>Length of a partition from now on, of a set by time; at least a second.</summary>
    public PgInterval? Interval { get; set; }

    /// <summary>Ids in a partition from now on, of a set by id; at least 2.</summary>
    public long? IdInterval { get; set; }

    /// <summary>
    /// Whether partitions that have begun are merged and split as well, the current one among them. Default <see langword="false"/>: only those ahead of it are made
    /// anew, and older ones stay as they are.
    /// </summary>
    public bool Rewrite { get; set; }

    /// <summary>Whether partitions that were replaced stay as tables, with <c>_omnipg_old</c> behind their names. Default <see langword="false"/>: they are dropped in the transaction that attaches the proven copy.</summary>
    public bool KeepTables { get; set; }

    /// <summary>Rows in a transaction of the copy. Default 10,000, range 1 to 1,000,000.</summary>
    public int BatchSize { get; set; } = 10_000;

    /// <summary>Pause behind each batch. Default none, at most 1 h.</summary>
    public TimeSpan PauseBetweenBatches { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That((Interval is null) != (IdInterval is null), $"Exactly one of Interval '{Interval}' and IdInterval '{IdInterval}' must be given.");
        check.That(Interval is not { } i || i.Estimate >= TimeSpan.FromSeconds(1), $"Interval '{Interval}' must be at least '00:00:01'.");
        check.That(Interval is not { } p || (p.Months >= 0 && p.Days >= 0 && p.Microseconds >= 0), $"Interval '{Interval}' must not go backwards in any of its fields.");
        check.AtLeast(IdInterval, 2);
        check.Range<int>(BatchSize, 1, 1_000_000);
        check.Range<TimeSpan>(PauseBetweenBatches, TimeSpan.Zero, TimeSpan.FromHours(1));
    }
}

/// <summary>How far a repartitioning is.</summary>
/// <param name="Lower">Where the partitions at work begin.</param>
/// <param name="Upper">Where they end.</param>
/// <param name="Step">What is done with them.</param>
/// <param name="Rows">Rows that this step is through with.</param>
public sealed record RepartitionProgress(PartitionBound Lower, PartitionBound Upper, ConversionStep Step, long Rows);

/// <summary>What a repartitioning did.</summary>
/// <param name="Set">The set as it is now.</param>
/// <param name="Groups">Partitions that were replaced by others, in their order; those that stayed are none of them.</param>
public sealed record RepartitionResult(PartitionSet Set, IReadOnlyList<RepartitionedGroup> Groups);

/// <summary>Partitions that took the place of others.</summary>
/// <param name="Former">Those that were there.</param>
/// <param name="Partitions">Those that are there now.</param>
/// <param name="Rows">Rows that were copied.</param>
public sealed record RepartitionedGroup(IReadOnlyList<QualifiedName> Former, IReadOnlyList<QualifiedName> Partitions, long Rows);
