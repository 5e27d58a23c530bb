namespace OmniPg.Wal;

/// <summary>Decides which archived files lie before the first one that is still needed.</summary>
internal readonly struct RetentionLimit(WalFileName keepFrom, CleanupOptions options)
{
    /// <summary>
    /// The limit as <c>pg_archivecleanup</c> takes it: characters 9 to 24, whatever the timeline. A segment of an older timeline at a later
    /// position may still be needed to reach the newer timeline, and one of a newer timeline at an earlier position is not.
    /// </summary>
    public bool IsObsolete(WalFileName name)
    {
        // A history file is a few lines, and without it no recovery finds its way over a promotion.
        if (name.Kind == WalFileKind.TimelineHistory || (name.Kind == WalFileKind.BackupHistory && !options.IncludeBackupHistory))
            return false;
        if (options.OmniPitrCompatibleComparison)
            return name.Kind != WalFileKind.Partial && string.CompareOrdinal(name.ToString(), keepFrom.ToString()) < 0;
        return keepFrom.Kind != WalFileKind.TimelineHistory && name.Position < keepFrom.Position;
    }
}
