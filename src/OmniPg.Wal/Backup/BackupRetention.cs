using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Which base backups are kept. A backup is removed only when no rule keeps it, nor one that stands on it; the newest valid one is kept whatever the rules say, and so is the newest valid one without damaged pages; one whose pages were not compared counts as one.</summary>
public sealed class BackupRetention : ICheckedOptions
{
    /// <summary>Keeps backups that began within so many days; null keeps none by age. OmniPITR's <c>--keep-days</c>.</summary>
    /// <value>Default null; at least 1.</value>
    public int? Days { get; set; }

    /// <summary>Keeps so many of the newest valid backups; null keeps none by count.</summary>
    /// <value>Default null; at least 1.</value>
    public int? Count { get; set; }

    /// <summary>Keeps what it takes to restore to any moment of so long a time: the backups within it, and the newest valid one before it. Null keeps none for that.</summary>
    /// <value>Default null; longer than zero.</value>
    public TimeSpan? Window { get; set; }

    /// <summary>Whether the result only tells what would go.</summary>
    /// <value>Default false.</value>
    public bool DryRun { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(Days is not null || Count is not null || Window is not null, "One of Days, Count and Window must be given.");
        check.AtLeast(Days, 1);
        check.AtLeast(Count, 1);
        check.Positive(Window);
    }

    /// <summary>The backups that a rule, a mark or their being the last valid one keeps, and those that they stand on.</summary>
    /// <param name="backups">All, oldest first.</param>
    /// <param name="now">The time that ages are told from.</param>
    internal IReadOnlySet<string> Kept(IReadOnlyList<BackupInfo> backups, DateTimeOffset now)
    {
        var valid = backups.Where(b => b.Problem is null).ToArray();
        // From the day on which a disk goes bad every backup has the damage, and only those from before have the pages whole.
        IEnumerable<BackupInfo> kept = backups.Where(b => b.IsKept).Concat(valid.TakeLast(Math.Max(1, Count ?? 1))).Concat(valid.Where(b => b.ChainDamagedPages == 0).TakeLast(1));
        if (Days is { } days)
            kept = kept.Concat(backups.Where(b => b.Started >= now.AddDays(-days)));
        if (Window is { } window)
            kept = kept.Concat(backups.Where(b => b.Stopped > now - window)).Concat(valid.Where(b => b.Stopped <= now - window).TakeLast(1));
        var ids = kept.Select(b => b.Id).ToHashSet(StringComparer.Ordinal);
        BackupChain.AddAncestors(ids, backups);
        return ids;
    }
}

/// <summary>What a retention did.</summary>
/// <param name="Removed">The backups removed (in a dry run: that would be), oldest first.</param>
/// <param name="Kept">The backups left.</param>
/// <param name="WalKeptFrom">The first WAL segment that a backup left needs; null when none is left, and then no WAL was touched.</param>
/// <param name="RemovedWal">The WAL files removed (in a dry run: that would be), oldest first.</param>
public sealed record BackupRetentionResult(
    IReadOnlyList<BackupInfo> Removed, IReadOnlyList<BackupInfo> Kept, WalFileName? WalKeptFrom, IReadOnlyList<WalArchivedFile> RemovedWal)
{
    /// <summary>Those of <see cref="Kept"/> that no rule keeps, and that somebody has come to need when they were about to be removed.</summary>
    public IReadOnlyList<SparedBackup> Spared { get; init; } = [];
}

/// <summary>A backup that was about to be removed and stays.</summary>
/// <param name="Backup">The backup.</param>
/// <param name="Reason">What it is by now, such as "was marked to be kept just now".</param>
public sealed record SparedBackup(BackupInfo Backup, string Reason);
