namespace OmniPg.Wal;

/// <summary>Finds what base backups and an archive can restore together: of each backup, the unbroken WAL behind it on each timeline that leads on from it.</summary>
internal sealed class RecoverableFinder(IObjectStore archive, ArchiveMap map)
{
    public async Task<IReadOnlyList<RecoverableRange>> FindAsync(IEnumerable<BackupInfo> backups, CancellationToken cancellationToken)
    {
        var found = new List<RecoverableRange>();
        foreach (var backup in backups.Where(b => b.Problem is null))
        {
            foreach (var timeline in map.Segments.Keys.Union(map.Histories.Keys).Append(backup.Timeline).Distinct().Order())
            {
                if (LeadsOn(map.HistoryOf(timeline), backup) && await EndAsync(backup, timeline, cancellationToken).ConfigureAwait(false) is { } end)
                    found.Add(new RecoverableRange(backup.Id, backup.Stopped, end, timeline));
            }
        }

        await map.RequireStillThereAsync(cancellationToken).ConfigureAwait(false);
        return found;
    }

    // A timeline that was left before the end of the backup never makes it consistent.
    private static bool LeadsOn(TimelineHistory history, BackupInfo backup) =>
        history.Timeline == backup.Timeline || history.SwitchLsnOf(backup.Timeline) >= backup.StopLsn;

    /// <returns>The last moment; null when the WAL that the backup itself needs is not to be had.</returns>
    private async Task<DateTimeOffset?> EndAsync(BackupInfo backup, uint timeline, CancellationToken cancellationToken)
    {
        var history = map.HistoryOf(timeline);
        var number = backup.WalFrom.SegmentNumber(map.Size);
        var needed = backup.WalTo.SegmentNumber(map.Size);
        var run = new Stack<List<WalArchivedFile>>();
        while (map.Segments.GetValueOrDefault(map.TimelineOf(number, history))?.GetValueOrDefault(number) is { } copies)
        {
            run.Push(copies);
            number++;
        }

        if (number <= needed && !backup.IncludesWal)
            return null;
        foreach (var copy in run.SelectMany(c => c))
        {
            // What was committed before the end of the backup is in it anyway.
            if (await WindowFinder.SummaryAsync(archive, copy, cancellationToken).ConfigureAwait(false) is { LastCommit: { } commit })
                return commit > backup.Stopped ? commit : backup.Stopped;
        }

        return backup.Stopped;
    }
}

/// <summary>A span of time to each moment of which a restore leads.</summary>
/// <param name="BackupId">The backup that it begins with.</param>
/// <param name="From">The first moment: the end of the backup.</param>
/// <param name="To">The last one: the last commit in the unbroken WAL behind it; <paramref name="From"/> when there is none.</param>
/// <param name="Timeline">The timeline that recovery follows.</param>
public sealed record RecoverableRange(string BackupId, DateTimeOffset From, DateTimeOffset To, uint Timeline);
