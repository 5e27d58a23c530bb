using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Wal;

/// <summary>
/// Removes a backup: its entry, which makes it one, and then its objects, unless somebody has come to need it meanwhile. While that goes on a copy of the entry lies beside it
/// (<see cref="FileName"/>), so that whoever comes after a removal that was killed can tell what it removed, and end it or take it back. One removal works in a store at a time: what another
/// may take back stands on others, and keeps its WAL.
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
    /// <returns>Whether it was removed, or why not; then it is as it was.</returns>
    public async Task<RemovalOutcome> RunAsync(BackupInfo backup, IReadOnlyList<BackupInfo> listed, CancellationToken cancellationToken)
    {
        var (entryKey, copyKey) = (BackupEntry.KeyOf(backup.Id), $"{backup.Id}/{FileName}");
        if (await ObstacleAsync(backup, listed, cancellationToken).ConfigureAwait(false) is { } obstacle)
            return obstacle;
        if (await BackupEntry.ReadAsync(store, backup.Id, BackupInfo.FileName, cancellationToken).ConfigureAwait(false) is not { } entry)
            return RemovalOutcome.Underway;
        // One removal at a time: of two, one could take back what the other has removed.
        if (await SmallObject.WriteAsync(store, copyKey, entry, cancellationToken).ConfigureAwait(false) == ObjectCommitResult.AlreadyExists)
            return RemovalOutcome.Underway;
        // Whoever publishes an increment, makes a mark or removes another backup looks for this entry behind that: of two that meet here, one sees the other. What cannot be looked at is no proof that
        // there is none.
        RemovalOutcome? reason = RemovalOutcome.Needed;
        try
        {
            await store.DeleteAsync(entryKey, cancellationToken).ConfigureAwait(false);
            reason = await ObstacleAsync(backup, listed, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            if (reason is not null)
                await TakeBackAsync(backup.Id, entry).ConfigureAwait(false);
        }

        if (reason is not null)
            return reason.Value;
        // After a long pause another one may have taken it for killed, and the backup back.
        if (await store.StatAsync(copyKey, CancellationToken.None).ConfigureAwait(false) is null || await store.StatAsync(entryKey, CancellationToken.None).ConfigureAwait(false) is not null)
            return RemovalOutcome.Underway;
        await RemoveObjectsAsync(backup, cancellationToken).ConfigureAwait(false);
        return RemovalOutcome.Removed;
    }

    /// <summary>The backups that are being removed right now, or were when their removal was killed: each may be taken back.</summary>
    public async Task<IReadOnlyList<BackupInfo>> UnderwayAsync(CancellationToken cancellationToken)
    {
        var underway = new List<BackupInfo>();
        await foreach (var entry in store.ListAsync("", BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (BackupEntry.FolderOf(entry.Key, FileName) is not { } id || !BackupInfo.IsId(id))
                continue;
            if (entry.Key != EncryptedNames.Plain(entry.Key))
                throw WalEncryptionException.NoKey(store.Id, entry.Key);
            if (await BackupEntry.ReadAsync(store, id, FileName, cancellationToken).ConfigureAwait(false) is { } copy)
                underway.Add(BackupInfo.Parse(copy, store.Id, id, FileName));
        }

        return underway;
    }

    /// <summary>Ends what killed removals have begun: takes a backup back that somebody has come to need, and removes what is left of any other.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        var left = new List<string>();
        await foreach (var entry in store.ListAsync("", BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
        {
            // One that is encrypted is a key holder's.
            if (BackupEntry.FolderOf(entry.Key, FileName) is { } id && BackupInfo.IsId(id) && entry.Key == EncryptedNames.Plain(entry.Key) && entry.Modified < time.GetUtcNow() - Silence)
                left.Add(id);
        }

        foreach (var id in left)
            await FinishAsync(id, cancellationToken).ConfigureAwait(false);
    }

    private async Task FinishAsync(string id, CancellationToken cancellationToken)
    {
        if (await BackupEntry.ReadAsync(store, id, FileName, cancellationToken).ConfigureAwait(false) is not { } entry)
            return;
        if (await store.StatAsync(BackupEntry.KeyOf(id), cancellationToken).ConfigureAwait(false) is not null)
        {
            // Killed before it removed anything, or when it had taken it back.
            await store.DeleteAsync($"{id}/{FileName}", cancellationToken).ConfigureAwait(false);
            return;
        }

        var backup = BackupInfo.Parse(entry, store.Id, id, FileName);
        if (await ObstacleAsync(backup, [], cancellationToken).ConfigureAwait(false) is not null)
            await TakeBackAsync(id, entry).ConfigureAwait(false);
        else
            await RemoveObjectsAsync(backup, cancellationToken).ConfigureAwait(false);
    }

    private async Task TakeBackAsync(string id, byte[] entry)
    {
        await SmallObject.WriteAsync(store, BackupEntry.KeyOf(id), entry, CancellationToken.None).ConfigureAwait(false);
        await store.DeleteAsync($"{id}/{FileName}", CancellationToken.None).ConfigureAwait(false);
    }

    private async Task RemoveObjectsAsync(BackupInfo backup, CancellationToken cancellationToken)
    {
        // A mark was made too late, and whoever made it was told.
        foreach (var key in backup.Objects.Select(static o => o.Key).Concat(BackupCatalog.KeepKeys(backup.Id)))
            await store.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
        await store.DeleteAsync($"{backup.Id}/{FileName}", cancellationToken).ConfigureAwait(false);
        BackupLog.Removed(log ?? NullLogger.Instance, backup.Id);
    }

    /// <summary>What speaks against the removal by now: another removal, a backup that is not among the listed ones and stands on this one, a mark, or that no other valid one is left.</summary>
    private async Task<RemovalOutcome?> ObstacleAsync(BackupInfo backup, IReadOnlyList<BackupInfo> listed, CancellationToken cancellationToken)
    {
        var objects = new Dictionary<string, long>(StringComparer.Ordinal);
        await foreach (var entry in store.ListAsync("", BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
            objects[entry.Key] = entry.Bytes;
        if (objects.Keys.Any(key => BackupEntry.FolderOf(key, FileName) is { } other && other != backup.Id && BackupInfo.IsId(other)))
            return RemovalOutcome.Underway;
        var others = new List<BackupInfo>();
        foreach (var key in objects.Keys.Order(StringComparer.Ordinal))
        {
            if (BackupEntry.IdOf(key) is not { } other || other == backup.Id)
                continue;
            if (key != EncryptedNames.Plain(key))
                throw WalEncryptionException.NoKey(store.Id, key);
            var known = listed.FirstOrDefault(b => b.Id == other);
            if ((known ?? await BackupEntry.ReadAsync(store, other, cancellationToken).ConfigureAwait(false)) is not { } info)
                continue;
            if (known is null && info.IncrementOf == backup.Id)
                return RemovalOutcome.Needed;
            others.Add(info with { Problem = BackupParts.ProblemOf(info, objects) });
        }

        if (BackupCatalog.KeepKeys(backup.Id).Any(objects.ContainsKey))
            return RemovalOutcome.Marked;
        BackupChain.Judge(others);
        return BackupParts.ProblemOf(backup, objects) is null && others.TrueForAll(static b => b.Problem is not null) ? RemovalOutcome.Last : null;
    }
}

/// <summary>What became of the removal of a backup.</summary>
internal enum RemovalOutcome
{
    /// <summary>It is gone.</summary>
    Removed,

    /// <summary>A backup has come to stand on it.</summary>
    Needed,

    /// <summary>It was marked to be kept.</summary>
    Marked,

    /// <summary>No other valid one is left.</summary>
    Last,

    /// <summary>Another removal is at work, or was when it was killed.</summary>
    Underway,
}
