namespace OmniPg.Partman;

/// <summary>Which partitions are frozen, and how gently.</summary>
public sealed class FreezeOptions : ICheckedOptions
{
    /// <summary>
    /// Age in transactions from which on a partition is frozen. Default <see langword="null"/>: the server's <c>vacuum_freeze_min_age</c>. Range 0 to 2,000,000,000.
    /// </summary>
    public long? MinimumAge { get; set; }

    /// <summary>Pause between two partitions. Default none, at most 1 h.</summary>
    public TimeSpan PauseBetween { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Range(MinimumAge, 0L, 2_000_000_000L);
        check.Range<TimeSpan>(PauseBetween, TimeSpan.Zero, TimeSpan.FromHours(1));
    }
}

/// <summary>A partition that was to be frozen.</summary>
/// <param name="Partition">The table, a partition of a partition where these are partitioned again.</param>
/// <param name="AgeBefore">Transactions since its oldest row that was not frozen.</param>
/// <param name="AgeAfter">The same behind it.</param>
/// <param name="Outcome">What was done.</param>
public sealed record FrozenPartition(QualifiedName Partition, long AgeBefore, long AgeAfter, FreezeFate Outcome);

/// <summary>What became of a partition that was to be frozen.</summary>
public enum FreezeFate
{
    /// <summary>Its rows are frozen, as far as no transaction may see them otherwise.</summary>
    Frozen,

    /// <summary>Somebody held a lock on it, or an old transaction keeps its rows from being frozen: run it again later.</summary>
    Held,

    /// <summary>It belongs to a role that this one is no member of.</summary>
    NotOwned,

    /// <summary>It was dropped or renamed meanwhile.</summary>
    Gone,
}
