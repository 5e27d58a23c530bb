using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Wal;

/// <summary>
/// Removes a backup: its entry, which makes it one, and then its objects, unless an incremental backup has come to stand on it meanwhile. While that goes on a copy of the entry lies beside
/// it (<see cref="FileName"/>), so that whoever comes after a removal that was killed can tell what it removed, and end it or take it back.
/// </summary>
internal sealed class BackupRemoval(IObjectStore store, TimeProvider time, ILogger? log = null)
{
    /// <summary>The copy of the entry of a backup that is being removed.</summary>
    public const string FileName = "removing.json";

    // A removal is at work for seconds; one that is silent for so long was killed.
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(15);

    /// <summary>Removes a backup.</summary>
    /// <param name="backup">The backup.</param>
    /// <param name="listed">The backups by which it was chosen.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Whether it was removed; not when a backup that stands on it has come since the backups were listed.</returns>
    public async Task<bool> TryRunAsync(BackupInfo backup, IReadOnlyList<BackupInfo> listed, CancellationToken cancellationToken)
    {
        var (entryKey, copyKey) = (BackupEntry.KeyOf(backup.Id), $"{backup.Id}/{FileName}");
        if (await HasIncrementAsync(backup.Id, listed, cancellationToken).ConfigureAwait(false))
            return false;
        var entry = await BackupEntry.ReadAsync(store, backup.Id, BackupInfo.FileName, cancellationToken).ConfigureAwait(false);
        if (entry is not null)
            await SmallObject.WriteAsync(store, copyKey, entry, cancellationToken).ConfigureAwait(false);
        await store.DeleteAsync(entryKey, cancellationToken).ConfigureAwait(false);
        // Whoever publishes an increment looks for this entry behind that: of two that meet here, one sees the other. What cannot be looked at is no proof that there is none.
        var isNeeded = true;
        try
        {
            isNeeded = await HasIncrementAsync(backup.Id, listed, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            if (isNeeded && entry is not null)
                await TakeBackAsync(backup.Id, entry).ConfigureAwait(false);
        }

        if (!isNeeded)
            await RemoveObjectsAsync(backup, cancellationToken).ConfigureAwait(false);
        return !isNeeded;
    }

    /// <summary>Ends what killed removals have begun: takes a backup back on which another has come to stand, and removes what is left of any other.</summary>
    /// <param name="mayRemove">Whether anything is removed; otherwise only taken back.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task FinishAsync(bool mayRemove, CancellationToken cancellationToken)
    {
        var left = new List<string>();
        await foreach (var entry in store.ListAsync("", BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
        {
            // One that is encrypted is a key holder's.
            if (BackupEntry.FolderOf(entry.Key, FileName) is { } id && BackupInfo.IsId(id) && entry.Key == EncryptedNames.Plain(entry.Key) && entry.Modified < time.GetUtcNow() - Silence)
                left.Add(id);
        }

        foreach (var id in left)
            await FinishAsync(id, mayRemove, cancellationToken).ConfigureAwait(false);
    }

    private async Task FinishAsync(string id, bool mayRemove, CancellationToken cancellationToken)
    {
        if (await BackupEntry.ReadAsync(store, id, FileName, cancellationToken).ConfigureAwait(false) is not { } entry)
            return;
        if (await store.StatAsync(BackupEntry.KeyOf(id), cancellationToken).ConfigureAwait(false) is not null)
        {
            // Killed before it removed anything, or when it had taken it back.
            await store.DeleteAsync($"{id}/{FileName}", cancellationToken).ConfigureAwait(false);
            return;
        }

        var backup = BackupInfo.Parse(entry, store.Id, id);
        if (await HasIncrementAsync(id, [], cancellationToken).ConfigureAwait(false))
            await TakeBackAsync(id, entry).ConfigureAwait(false);
        else if (mayRemove)
            await RemoveObjectsAsync(backup, cancellationToken).ConfigureAwait(false);
    }

    private async Task TakeBackAsync(string id, byte[] entry)
    {
        await SmallObject.WriteAsync(store, BackupEntry.KeyOf(id), entry, CancellationToken.None).ConfigureAwait(false);
        await store.DeleteAsync($"{id}/{FileName}", CancellationToken.None).ConfigureAwait(false);
    }

    private async Task RemoveObjectsAsync(BackupInfo backup, CancellationToken cancellationToken)
    {
        foreach (var part in backup.Objects)
            await store.DeleteAsync(part.Key, cancellationToken).ConfigureAwait(false);
        await store.DeleteAsync($"{backup.Id}/{FileName}", cancellationToken).ConfigureAwait(false);
        BackupLog.Removed(log ?? NullLogger.Instance, backup.Id);
    }

    /// <summary>Whether a backup that is not among the listed ones stands on this one.</summary>
    private async Task<bool> HasIncrementAsync(string id, IReadOnlyList<BackupInfo> listed, CancellationToken cancellationToken)
    {
        await foreach (var entry in store.ListAsync("", BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (BackupEntry.IdOf(entry.Key) is not { } other || listed.Any(b => b.Id == other))
                continue;
            if (entry.Key != EncryptedNames.Plain(entry.Key))
                throw WalEncryptionException.NoKey(store.Id, entry.Key);
            if ((await BackupEntry.ReadAsync(store, other, cancellationToken).ConfigureAwait(false))?.IncrementOf == id)
                return true;
        }

        return false;
    }
}
