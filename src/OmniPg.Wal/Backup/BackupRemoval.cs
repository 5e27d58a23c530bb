using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Wal;

/// <summary>
/// Takes backups away; nothing else does. First the entry, which makes it one, and then the objects, unless somebody has come to need it meanwhile. While that goes on a copy of the entry lies beside it
/// (<see cref="FileName"/>), so that whoever comes after a removal that was killed can tell what it removed, and end it or take it back. One removal works in a store at a time: what another
/// may take back stands on others, and keeps its WAL.
/// </summary>
internal sealed class BackupRemoval(IObjectStore store, TimeProvider time, ILogger? log = null)
{
    /// <summary>The copy of the entry of a backup that is being removed.</summary>
    public const string FileName = "removing.json";

    /// <summary>Lies beside that when its removal failed half-way and will not go on: the next one need not wait.</summary>
    public const string FailedFile = "removing.failed";

    // A removal is at work for seconds; one that is silent for so long was killed.
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(15);

    private readonly ILogger _log = log ?? NullLogger.Instance;

    /// <summary>Removes a backup.</summary>
    /// <param name="backup">The backup.</param>
    /// <param name="listed">The backups by which it was chosen.</param>
    /// <param name="cancellationToken">Cancels before its entry is gone; what is begun then is ended.</param>
    /// <returns>Whether it was removed, or why not; then it is as it was.</returns>
    public async Task<RemovalOutcome> RunAsync(BackupInfo backup, IReadOnlyList<BackupInfo> listed, CancellationToken cancellationToken)
    {
        var (entryKey, copyKey) = (BackupEntry.KeyOf(backup.Id), $"{backup.Id}/{FileName}");
        if ((await LookAsync(backup, listed, cancellationToken).ConfigureAwait(false)).Obstacle is { } obstacle)
            return obstacle;
        if (await BackupEntry.ReadAsync(store, backup.Id, BackupInfo.FileName, cancellationToken).ConfigureAwait(false) is not { } entry)
            return await store.StatAsync(copyKey, cancellationToken).ConfigureAwait(false) is null ? RemovalOutcome.Removed : RemovalOutcome.Underway;
        // One removal at a time: of two, one could take back what the other has removed.
        if (await SmallObject.WriteAsync(store, copyKey, entry, cancellationToken).ConfigureAwait(false) == ObjectCommitResult.AlreadyExists)
            return RemovalOutcome.Underway;
        // Whoever publishes an entry, makes a mark or removes another backup looks for this copy behind that: of two that meet here, one sees the other.
        RemovalOutcome? reason;
        try
        {
            await store.DeleteAsync(entryKey, cancellationToken).ConfigureAwait(false);
            reason = (await LookAsync(backup, listed, CancellationToken.None).ConfigureAwait(false)).Obstacle;
        }
        catch
        {
            // What cannot be looked at is no proof that nobody needs it. What has failed is told, not that this did too.
            await TryTakeBackAsync(backup.Id, entry).ConfigureAwait(false);
            throw;
        }

        if (reason is null)
            return await RemoveObjectsAsync(backup).ConfigureAwait(false);
        if (await TryTakeBackAsync(backup.Id, entry).ConfigureAwait(false) is { } untaken)
            throw untaken;
        return reason.Value;
    }

    /// <summary>The removals that are at work, or were when they were killed or failed, by their names alone.</summary>
    public async Task<IReadOnlyList<RemovalUnderway>> ListAsync(CancellationToken cancellationToken) =>
        [.. (await CopiesAsync(cancellationToken).ConfigureAwait(false)).Copies.Select(static c => new RemovalUnderway(c.Id, c.Copy.Modified))];

    /// <summary>The backups of which that is so: each may be taken back.</summary>
    public async Task<IReadOnlyList<BackupInfo>> UnderwayAsync(CancellationToken cancellationToken)
    {
        var underway = new List<BackupInfo>();
        foreach (var (id, copy) in (await CopiesAsync(cancellationToken).ConfigureAwait(false)).Copies)
        {
            if (IsEncrypted(copy))
                throw WalEncryptionException.NoKey(store.Id, copy.Key);
            if (await BackupEntry.ReadAsync(store, id, FileName, cancellationToken).ConfigureAwait(false) is { } entry)
                underway.Add(BackupInfo.Parse(entry, store.Id, id, FileName));
        }

        return underway;
    }

    /// <summary>Ends what killed and failed removals have begun: takes a backup back that somebody has come to need, and removes what is left of any other.</summary>
    /// <returns>The backups that are gone now.</returns>
    public async Task<IReadOnlyList<string>> FinishAsync(CancellationToken cancellationToken)
    {
        var gone = new List<string>();
        var (copies, failed) = await CopiesAsync(cancellationToken).ConfigureAwait(false);
        var before = time.GetUtcNow() - Silence;
        // One that is encrypted is a key holder's.
        foreach (var (id, _) in copies.Where(c => !IsEncrypted(c.Copy) && (c.Copy.Modified < before || failed.Contains(c.Id))))
        {
            if (await FinishAsync(id, cancellationToken).ConfigureAwait(false))
                gone.Add(id);
        }

        return gone;
    }

    private static bool IsEncrypted(ObjectEntry copy) => copy.Key != EncryptedNames.Plain(copy.Key);

    /// <summary>The copies of entries by their backups, and the backups whose removals have failed.</summary>
    private async Task<(List<(string Id, ObjectEntry Copy)> Copies, HashSet<string> Failed)> CopiesAsync(CancellationToken cancellationToken)
    {
        var (copies, failed) = (new List<(string Id, ObjectEntry Copy)>(), new HashSet<string>(StringComparer.Ordinal));
        await foreach (var entry in store.ListAsync("", BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (BackupEntry.FolderOf(entry.Key, FileName) is { } id && BackupInfo.IsId(id))
                copies.Add((id, entry));
            else if (BackupEntry.FolderOf(entry.Key, FailedFile) is { } ended)
                failed.Add(ended);
        }

        copies.Sort(static (a, b) => string.CompareOrdinal(a.Id, b.Id));
        return (copies, failed);
    }

    private async Task<bool> FinishAsync(string id, CancellationToken cancellationToken)
    {
        if (await BackupEntry.ReadAsync(store, id, FileName, cancellationToken).ConfigureAwait(false) is not { } entry)
            return false;
        if (await store.StatAsync(BackupEntry.KeyOf(id), cancellationToken).ConfigureAwait(false) is not null)
        {
            // Killed before it removed anything, or when it had taken it back.
            await EndAsync(id).ConfigureAwait(false);
            return false;
        }

        var backup = BackupInfo.Parse(entry, store.Id, id, FileName);
        var (obstacle, isWhole) = await LookAsync(backup, [], cancellationToken).ConfigureAwait(false);
        // What lacks a part is worth nothing to anybody: marked it would be kept for ever.
        if (obstacle is null || !isWhole)
            return await RemoveObjectsAsync(backup).ConfigureAwait(false) == RemovalOutcome.Removed;
        return await TryTakeBackAsync(id, entry).ConfigureAwait(false) is { } untaken ? throw untaken : false;
    }

    /// <returns>What has failed; then the backup is hidden until its removal is ended or taken back.</returns>
    private async Task<Exception?> TryTakeBackAsync(string id, byte[] entry)
    {
        try
        {
            await SmallObject.WriteAsync(store, BackupEntry.KeyOf(id), entry, CancellationToken.None).ConfigureAwait(false);
            await EndAsync(id).ConfigureAwait(false);
            return null;
        }
        catch (Exception refused)
        {
            BackupLog.Hidden(_log, id, $"{id}/{FileName}", refused.Message);
            return refused;
        }
    }

    private async Task<RemovalOutcome> RemoveObjectsAsync(BackupInfo backup)
    {
        // After a long pause another one may have taken it for killed, and ended it or taken the backup back; or a copy has brought it anew.
        if (await store.StatAsync(BackupEntry.KeyOf(backup.Id), CancellationToken.None).ConfigureAwait(false) is not null)
            return RemovalOutcome.Underway;
        if (await store.StatAsync($"{backup.Id}/{FileName}", CancellationToken.None).ConfigureAwait(false) is null)
            return RemovalOutcome.Removed;
        try
        {
            // A mark was made too late, and whoever made it was told.
            foreach (var key in backup.Objects.Select(static o => o.Key).Concat(BackupCatalog.KeepKeys(backup.Id)))
                await store.DeleteAsync(key, CancellationToken.None).ConfigureAwait(false);
            await EndAsync(backup.Id).ConfigureAwait(false);
        }
        catch (Exception refused)
        {
            await TryGiveUpAsync(backup.Id, refused).ConfigureAwait(false);
            throw;
        }

        BackupLog.Removed(_log, backup.Id);
        return RemovalOutcome.Removed;
    }

    private async Task EndAsync(string id)
    {
        await store.DeleteAsync($"{id}/{FailedFile}", CancellationToken.None).ConfigureAwait(false);
        await store.DeleteAsync($"{id}/{FileName}", CancellationToken.None).ConfigureAwait(false);
    }

    private async Task TryGiveUpAsync(string id, Exception refused)
    {
        try
        {
            await SmallObject.WriteAsync(store, $"{id}/{FailedFile}", ReadOnlyMemory<byte>.Empty, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The store is away: then it is as after a kill.
        }

        BackupLog.HalfRemoved(_log, id, refused.Message);
    }

    /// <summary>
    /// What speaks against the removal by now: another removal, a backup that is not among the listed ones and stands on this one, a mark, or that no other valid one is left; and whether each part is there.
    /// </summary>
    private async Task<(RemovalOutcome? Obstacle, bool IsWhole)> LookAsync(BackupInfo backup, IReadOnlyList<BackupInfo> listed, CancellationToken cancellationToken)
    {
        var objects = new Dictionary<string, long>(StringComparer.Ordinal);
        await foreach (var entry in store.ListAsync("", BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
            objects[entry.Key] = entry.Bytes;
        var found = backup with { Problem = BackupParts.ProblemOf(backup, objects) };
        var isWhole = found.Problem is null;
        if (objects.Keys.Any(key => BackupEntry.FolderOf(key, FileName) is { } other && other != backup.Id && BackupInfo.IsId(other)))
            return (RemovalOutcome.Underway, isWhole);
        var all = new List<BackupInfo> { found };
        foreach (var key in objects.Keys)
        {
            if (BackupEntry.IdOf(key) is not { } other || other == backup.Id)
                continue;
            if (key != EncryptedNames.Plain(key))
                throw WalEncryptionException.NoKey(store.Id, key);
            var known = listed.FirstOrDefault(b => b.Id == other);
            if ((known ?? await BackupEntry.ReadAsync(store, other, cancellationToken).ConfigureAwait(false)) is not { } info)
                continue;
            if (known is null && info.IncrementOf == backup.Id)
                return (RemovalOutcome.Needed, isWhole);
            all.Add(info with { Problem = BackupParts.ProblemOf(info, objects) });
        }

        if (BackupCatalog.KeepKeys(backup.Id).Any(objects.ContainsKey))
            return (RemovalOutcome.Marked, isWhole);
        all.Sort(static (a, b) => string.CompareOrdinal(a.Id, b.Id));
        BackupChain.Judge(all);
        return (all.FindAll(static b => b.Problem is null) is [{ } last] && last.Id == backup.Id ? RemovalOutcome.Last : null, isWhole);
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

/// <summary>A backup that is being removed, or whose removal was killed or has failed: it is not listed, and the next <c>backup-cleanup</c>, <c>backups delete</c> or <c>backup</c> ends that or takes it back.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Since">When the removal began, by the store's clock.</param>
public sealed record RemovalUnderway(string Id, DateTimeOffset Since);
