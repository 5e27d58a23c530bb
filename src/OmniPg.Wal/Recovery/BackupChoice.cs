using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Chooses the base backup for a recovery target, or tells why none leads to it.</summary>
internal sealed class BackupChoice(IObjectStore store, IObjectStore? archive, ILoggerFactory? loggers)
{
    /// <summary>Chooses.</summary>
    /// <param name="id">The backup wanted; null takes the newest valid one from which the target is reached.</param>
    /// <param name="target">The target.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The backup, and the way on from it where there is an archive.</returns>
    /// <exception cref="WalBackupException">There is no such backup, it is damaged, or the target cannot be reached.</exception>
    public async Task<(BackupInfo Backup, RecoveryPath? Path)> RunAsync(string? id, RecoveryTarget target, CancellationToken cancellationToken)
    {
        var catalog = new BackupCatalog(store, loggers);
        IEnumerable<BackupInfo> candidates;
        if (id is null)
        {
            candidates = (await catalog.ListAsync(static (_, _) => true, cancellationToken).ConfigureAwait(false)).Where(b => b.Problem is null).Reverse();
        }
        else
        {
            var backup = await catalog.GetAsync(id, cancellationToken).ConfigureAwait(false);
            candidates = backup.Problem is { } problem ? throw WalBackupException.Damaged(store.Id, backup.Id, problem) : [backup];
        }

        var map = archive is null ? null : await ArchiveMap.LoadAsync(archive, cancellationToken).ConfigureAwait(false);
        string? tooEarly = null;
        string? unreachable = null;
        foreach (var backup in candidates)
        {
            if (target.RefusalFor(backup) is { } early)
            {
                tooEarly = early;
                continue;
            }

            if (map is null)
                return (backup, null);
            var path = RecoveryPath.Find(map, backup, target.Timeline);
            if (await new TargetSearch(archive!, path).RefusalAsync(target, cancellationToken).ConfigureAwait(false) is not { } refusal)
                return (backup, path);
            // Of the newest one: it is the one that would be expected.
            unreachable ??= refusal;
        }

        if (map is not null)
            await map.RequireStillThereAsync(cancellationToken).ConfigureAwait(false);
        if ((unreachable ?? tooEarly) is not { } reason)
            throw await catalog.AbsentAsync(BaseBackupOptions.Latest, cancellationToken).ConfigureAwait(false);
        throw WalBackupException.Unreachable(
            target.ToString(), reason, unreachable is null ? "Choose a later target or an older backup." : "See what can be reached with 'omnipg-wal show'; WAL may still have to be archived.");
    }
}
