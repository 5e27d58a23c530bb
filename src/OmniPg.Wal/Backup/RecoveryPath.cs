namespace OmniPg.Wal;

/// <summary>The segments that a recovery from a base backup reads on its way along a timeline, up to the first one that the archive lacks.</summary>
internal sealed class RecoveryPath
{
    private RecoveryPath(BackupInfo backup, TimelineHistory history) => (Backup, History) = (backup, history);

    public BackupInfo Backup { get; }

    /// <summary>The timeline that recovery follows.</summary>
    public TimelineHistory History { get; }

    /// <summary>Why the timeline cannot be followed from the backup; null when it can.</summary>
    public string? Refusal { get; private init; }

    /// <summary>The copies of each segment that is reached, in order; those that a backup brings along may be missing here.</summary>
    public IReadOnlyList<List<WalArchivedFile>> Run { get; private init; } = [];

    /// <summary>The segment at which recovery ends although it needs it, or although the archive has later ones; null when it gets to the end.</summary>
    public WalFileName? FirstMissing { get; private init; }

    /// <summary>The segments behind <see cref="FirstMissing"/>: nothing leads to them.</summary>
    public IReadOnlyList<List<WalArchivedFile>> Behind { get; private init; } = [];

    /// <summary>Whether recovery gets at least as far as the backup is consistent.</summary>
    public bool IsConsistent => FirstMissing is not { } missing || Backup.IncludesWal || missing.Position > Backup.WalTo.Position;

    /// <summary>Walks from a backup along a timeline.</summary>
    /// <param name="map">The archive.</param>
    /// <param name="backup">The backup.</param>
    /// <param name="timeline">The timeline; null follows the newest one, as <c>recovery_target_timeline = latest</c> does.</param>
    public static RecoveryPath Find(ArchiveMap map, BackupInfo backup, uint? timeline)
    {
        var history = map.HistoryOf(timeline ?? Newest(map, backup.Timeline));
        if (RefusalFor(map, backup, history) is { } refusal)
            return new RecoveryPath(backup, history) { Refusal = refusal };
        var size = WalSegmentSize.FromBytes(backup.WalSegmentSize);
        var run = new List<List<WalArchivedFile>>();
        var behind = new List<List<WalArchivedFile>>();
        WalFileName? missing = null;
        var needed = backup.WalTo.SegmentNumber(size);
        var last = Math.Max(needed, map.PathTo(history.Timeline).Select(s => s.To).LastOrDefault());
        for (var number = backup.WalFrom.SegmentNumber(size); number <= last; number++)
        {
            var on = map.TimelineOf(number, history);
            if (map.Segments.GetValueOrDefault(on)?.GetValueOrDefault(number) is { } copies)
                (missing is null ? run : behind).Add(copies);
            else if (!backup.IncludesWal || number > needed)
                missing ??= WalFileName.ForSegmentNumber(on, number, size);
        }

        return new RecoveryPath(backup, history) { Run = run, FirstMissing = missing, Behind = behind };
    }

    // findNewestTimeLine (timeline.c) asks for the histories behind the backup's timeline one by one, until there is none.
    private static uint Newest(ArchiveMap map, uint timeline)
    {
        var histories = HistoryFiles(map);
        while (histories.Contains(timeline + 1))
            timeline++;
        return timeline;
    }

    private static HashSet<uint> HistoryFiles(ArchiveMap map) =>
        [.. map.Others.Where(f => f.Name.Kind == WalFileKind.TimelineHistory).Select(f => f.Name.Timeline)];

    private static string? RefusalFor(ArchiveMap map, BackupInfo backup, TimelineHistory history)
    {
        if (history.Timeline == backup.Timeline)
            return null;
        if (!map.Histories.ContainsKey(history.Timeline))
            return $"the archive has no readable history of timeline '{history.Timeline}'";
        if (history.SwitchLsnOf(backup.Timeline) is not { } left)
            return $"the backup '{backup.Id}' is of timeline '{backup.Timeline}', which does not lead to timeline '{history.Timeline}'";
        // A timeline that was left before the end of the backup never makes it consistent.
        return left < backup.StopLsn
            ? $"timeline '{history.Timeline}' left timeline '{backup.Timeline}' at '{left}', before the backup '{backup.Id}' is consistent at '{backup.StopLsn}'"
            : null;
    }
}
