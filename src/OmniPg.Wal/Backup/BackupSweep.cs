using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Wal;

/// <summary>Removes what backups that never ended have left behind: objects without the one that makes them a backup, and temporary ones.</summary>
internal sealed class BackupSweep(IObjectStore store, TimeProvider time, ILogger? log = null)
{
    // A temporary object is written to while its backup lives.
    private static readonly TimeSpan Silence = TimeSpan.FromDays(1);

    // A part that is finished is not, while the next one, of which nothing is to be seen yet, may take days.
    private static readonly TimeSpan LongestBackup = TimeSpan.FromDays(7);

    /// <returns>How many objects were removed.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await new BackupRemoval(store, time, log).FinishAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception unread) when (unread is WalBackupException or WalEncryptionException)
        {
            // An entry that cannot be read may stand on what was being removed: that stays as it is, and keeps no new backup from being made.
            BackupLog.Unfinished(log ?? NullLogger.Instance, store.Id, unread.Message);
        }

        var removed = await store.RemoveAbandonedAsync(time.GetUtcNow() - Silence, BackupCatalog.Depth, cancellationToken).ConfigureAwait(false);
        var folders = new Dictionary<string, List<ObjectEntry>>(StringComparer.Ordinal);
        await foreach (var entry in store.ListAsync("", BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (entry.Key.Split('/') is not [var id, _] || !BackupInfo.IsId(id))
                continue;
            if (!folders.TryGetValue(id, out var entries))
                folders.Add(id, entries = []);
            entries.Add(entry);
        }

        var before = time.GetUtcNow() - LongestBackup;
        foreach (var entry in folders.Values.Where(f => f.TrueForAll(e => IsOldPart(e, before)) || f.TrueForAll(e => IsOldMark(e, before))).SelectMany(f => f))
        {
            await store.DeleteAsync(entry.Key, cancellationToken).ConfigureAwait(false);
            removed++;
        }

        return removed;
    }

    // A mark proves that it was a backup once: its entry is lost, and its parts may be all that is left. One whose removal was killed may be taken back. Without the key too, a backup is one.
    private static bool IsOldPart(ObjectEntry entry, DateTimeOffset before) =>
        entry.Modified < before && NameOf(entry) is not (BackupInfo.FileName or BackupCatalog.KeepFile or BackupRemoval.FileName);

    // Nothing else is left: it was made too late, when the removal was about to end.
    private static bool IsOldMark(ObjectEntry entry, DateTimeOffset before) => entry.Modified < before && NameOf(entry) == BackupCatalog.KeepFile;

    private static string NameOf(ObjectEntry entry) => EncryptedNames.Plain(entry.Key.Split('/')[^1]);
}
