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
            return await store.StatAsync(copyKey, cancellationToken).ConfigureAwait(false) is null ? RemovalOutcome.Removed : RemovalOutcome.Underway;
        // One removal at a time: of two, one could take back what the other has removed.
        if (await SmallObject.WriteAsync(store, copyKey, entry, cancellationToken).ConfigureAwait(false) == ObjectCommitResult.AlreadyExists)
            return RemovalOutcome.Underway;
        // Whoever publishes an increment, makes a mark or removes another backup looks for this entry behind that: of two that meet here, one sees the other. What cannot be looked at is no proof that
        // there is none.
        RemovalOutcome? reason;
        try
        {
            await store.DeleteAsync(entryKey, cancellationToken).ConfigureAwait(false);
            reason = await ObstacleAsync(backup, listed, CancellationToken.None).ConfigureAwait(false);
        }
        catch
        {
            await TryTakeBackAsync(backup.Id, entry).ConfigureAwait(false);
            throw;
        }

        if (reason is not null)
        {
            await TakeBackAsync(backup.Id, entry).ConfigureAwait(false);
            return reason.Value;
        }

        // What is begun is ended: half removed it would keep all other removals waiting.
        return await IsTakenAsync(backup.Id).ConfigureAwait(false) && await RemoveObjectsAsync(backup).ConfigureAwait(false) ? RemovalOutcome.Removed : RemovalOutcome.Underway;
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
        // What is not whole any more helps nobody who has come to need it.
        if (await IsWholeAsync(backup, cancellationToken).ConfigureAwait(false) && await ObstacleAsync(backup, [], cancellationToken).ConfigureAwait(false) is not null)
            await TakeBackAsync(id, entry).ConfigureAwait(false);
        else if (await IsTakenAsync(id).ConfigureAwait(false))
            await RemoveObjectsAsync(backup).ConfigureAwait(false);
    }

    private async Task<bool> IsWholeAsync(BackupInfo backup, CancellationToken cancellationToken)
    {
        foreach (var part in backup.Objects)
        {
            if ((await store.StatAsync(part.Key, cancellationToken).ConfigureAwait(false))?.Bytes != part.StoredBytes)
                return false;
        }

        return true;
    }

    /// <summary>Whether the entry is still away, and its copy there: after a long pause another removal may have taken this one for killed, and the backup back.</summary>
    private async Task<bool> IsTakenAsync(string id) =>
        await store.StatAsync($"{id}/{FileName}", CancellationToken.None).ConfigureAwait(false) is not null && await store.StatAsync(BackupEntry.KeyOf(id), CancellationToken.None).ConfigureAwait(false) is null;

    private async Task TakeBackAsync(string id, byte[] entry)
    {
        await SmallObject.WriteAsync(store, BackupEntry.KeyOf(id), entry, CancellationToken.None).ConfigureAwait(false);
        await store.DeleteAsync($"{id}/{FileName}", CancellationToken.None).ConfigureAwait(false);
    }

    // Why the removal broke off is what its caller has to know.
    private async Task TryTakeBackAsync(string id, byte[] entry)
    {
        try
        {
            await TakeBackAsync(id, entry).ConfigureAwait(false);
        }
        catch (Exception refused)
        {
            BackupLog.Hidden(log ?? NullLogger.Instance, id, $"{id}/{FileName}", refused.Message);
        }
    }

    private async Task<bool> RemoveObjectsAsync(BackupInfo backup)
    {
        // A mark was made too late, and whoever made it was told.
        foreach (var key in backup.Objects.Select(static o => o.Key).Concat(BackupCatalog.KeepKeys(backup.Id)))
            await store.DeleteAsync(key, CancellationToken.None).ConfigureAwait(false);
        await store.DeleteAsync($"{backup.Id}/{FileName}", CancellationToken.None).ConfigureAwait(false);
        BackupLog.Removed(log ?? NullLogger.Instance, backup.Id);
        return true;
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
