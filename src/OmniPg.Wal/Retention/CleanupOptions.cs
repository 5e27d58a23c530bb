using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>What <see cref="WalRepository.CleanupAsync"/> may remove. The original's <c>omnipitr-cleanup</c>.</summary>
public sealed class CleanupOptions : ICheckedOptions
{
    /// <summary>Whether backup history files below the limit go too, as in <c>omnipitr-cleanup</c> (<c>pg_archivecleanup -b</c>).</summary>
    /// <value>Default true.</value>
    public bool IncludeBackupHistory { get; set; } = true;

    /// <summary>
    /// Whether whole names are compared, timeline first, as OmniPITR does. After a promotion that deletes every file of the old timeline,
    /// whatever its position; it exists for archives whose scripts rely on it.
    /// </summary>
    /// <value>Default false: characters 9 to 24 are compared, as <c>pg_archivecleanup</c> does.</value>
    public bool OmniPitrCompatibleComparison { get; set; }

    /// <summary>Whether the result only tells what would go.</summary>
    /// <value>Default false.</value>
    public bool DryRun { get; set; }

    /// <summary>While this file exists nothing is removed; null never pauses.</summary>
    /// <value>Default null.</value>
    public string? PauseTrigger { get; set; }

    /// <summary>At most this many files are removed, oldest first, at least 1; null sets no limit.</summary>
    /// <value>Default null.</value>
    public int? MaxFiles { get; set; }

    /// <summary>Called with the content of every file before it is removed; null removes at once.</summary>
    /// <value>Default null.</value>
    public IWalRemovalHook? Hook { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Path(PauseTrigger);
        check.AtLeast(MaxFiles, 1);
    }
}

/// <summary>What a cleanup did.</summary>
/// <param name="Removed">The files removed (in a dry run: that would be), oldest first.</param>
/// <param name="Paused">Whether the pause trigger existed, or came, and therefore nothing (more) was removed.</param>
public sealed record CleanupResult(IReadOnlyList<WalArchivedFile> Removed, bool Paused)
{
    /// <summary>Bytes that the removed files took in the store.</summary>
    public long RemovedBytes => Removed.Sum(f => f.StoredBytes);
}
