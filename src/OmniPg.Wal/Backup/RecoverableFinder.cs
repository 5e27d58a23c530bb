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
                if (RecoveryPath.Find(map, backup, timeline) is { Refusal: null, IsConsistent: true } path)
                    found.Add(new RecoverableRange(backup.Id, backup.Stopped, await EndAsync(path, cancellationToken).ConfigureAwait(false), timeline));
            }
        }

        await map.RequireStillThereAsync(cancellationToken).ConfigureAwait(false);
        return found;
    }

    private async Task<DateTimeOffset> EndAsync(RecoveryPath path, CancellationToken cancellationToken)
    {
        var stopped = path.Backup.Stopped;
        foreach (var copy in path.Run.Reverse().SelectMany(c => c))
        {
            // What was committed before the end of the backup is in it anyway.
            if (await WindowFinder.SummaryAsync(archive, copy, cancellationToken).ConfigureAwait(false) is { LastCommit: { } commit })
                return commit > stopped ? commit : stopped;
        }

        return stopped;
    }
}

/// <summary>A span of time to each moment of which a restore leads.</summary>
/// <param name="BackupId">The backup that it begins with.</param>
/// <param name="From">The first moment: the end of the backup.</param>
/// <param name="To">The last one: the last commit in the unbroken WAL behind it; <paramref name="From"/> when there is none.</param>
/// <param name="Timeline">The timeline that recovery follows.</param>
public sealed record RecoverableRange(string BackupId, DateTimeOffset From, DateTimeOffset To, uint Timeline);
