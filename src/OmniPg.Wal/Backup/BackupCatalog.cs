using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>The base backups of a store: listed, looked up, marked to be kept, removed when no rule keeps them.</summary>
/// <remarks>Thread-safe; keeps nothing between calls. A backup whose last object was never written is not listed.</remarks>
public sealed partial class BackupCatalog
{
    // ID/NAME: what lies deeper is somebody else's.
    internal const int Depth = 1;

    internal const string KeepFile = "keep";
    private readonly IObjectStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    /// <summary>Makes a catalogue over a store.</summary>
    /// <param name="store">A store that can be listed and read. Not disposed.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    /// <param name="timeProvider">The time that ages are told from; that of the system when null.</param>
    public BackupCatalog(IObjectStore store, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        (_store, _time) = (store, timeProvider ?? TimeProvider.System);
        _log = loggerFactory?.CreateLogger<BackupCatalog>() ?? NullLogger<BackupCatalog>.Instance;
    }

    /// <summary>Lists the backups, oldest first; <see cref="BackupInfo.Problem"/> says of each whether its parts are there.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The backups.</returns>
    /// <exception cref="WalArchiveAbsentException">The store is not begun, or not mounted.</exception>
    /// <exception cref="WalBackupException">An entry cannot be read.</exception>
    /// <exception cref="WalEncryptionException">An entry is encrypted, and its key was not given.</exception>
    /// <exception cref="IOException">The store cannot be read.</exception>
    public Task<IReadOnlyList<BackupInfo>> ListAsync(CancellationToken cancellationToken = default) => ListAsync(static (_, _) => false, cancellationToken);

    /// <summary>Lists the backups, and does not end at an entry that cannot be read: one that is damaged must not hide the others.</summary>
    /// <param name="damaged">Told of each such entry, which is left out.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The backups that can be read, oldest first.</returns>
    /// <exception cref="WalArchiveAbsentException">The store is not begun, or not mounted.</exception>
    /// <exception cref="WalEncryptionException">An entry is encrypted, and its key was not given.</exception>
    /// <exception cref="IOException">The store cannot be read.</exception>
    public Task<IReadOnlyList<BackupInfo>> ListAsync(Action<WalBackupException> damaged, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(damaged);
        return ListAsync(Tell(damaged), cancellationToken);
    }

    /// <summary>Lists the backups, and ends neither at an entry that cannot be read nor at one whose key was not given.</summary>
    /// <param name="damaged">Told of each entry that cannot be read, which is left out.</param>
    /// <param name="hidden">Told of each backup whose entry is encrypted with a key that was not given, which is left out.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The backups that can be read, oldest first.</returns>
    /// <exception cref="WalArchiveAbsentException">The store is not begun, or not mounted.</exception>
    /// <exception cref="IOException">The store cannot be read.</exception>
    public Task<IReadOnlyList<BackupInfo>> ListAsync(Action<WalBackupException> damaged, Action<HiddenBackup> hidden, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(damaged);
        ArgumentNullException.ThrowIfNull(hidden);
        return ListAsync(Tell(damaged), cancellationToken, hidden);
    }

    /// <summary>The same, without entries that cannot be read and that the caller may do without.</summary>
    internal async Task<IReadOnlyList<BackupInfo>> ListAsync(Func<string, WalBackupException, bool> mayPassOver, CancellationToken cancellationToken, Action<HiddenBackup>? hidden = null)
    {
        var presence = await ArchivePresence.BeginAsync(_store, cancellationToken).ConfigureAwait(false);
        var objects = new Dictionary<string, long>(StringComparer.Ordinal);
        await foreach (var entry in _store.ListAsync("", Depth, cancellationToken).ConfigureAwait(false))
            objects[entry.Key] = entry.Bytes;
        var backups = new List<BackupInfo>();
        foreach (var key in objects.Keys.Order(StringComparer.Ordinal))
        {
            if (BackupEntry.IdOf(key) is not { } id)
                continue;
            try
            {
                // Without a key the store does not see it, and not seen is not absent: a cleanup would take the WAL that it needs, a restore an older backup.
                if (key != EncryptedNames.Plain(key))
                    throw WalEncryptionException.NoKey(_store.Id, key);
                if (await BackupEntry.ReadAsync(_store, id, cancellationToken).ConfigureAwait(false) is { } info)
                    backups.Add(info with { IsKept = KeepKeys(info.Id).Any(objects.ContainsKey), Problem = BackupParts.ProblemOf(info, objects) });
            }
            catch (WalBackupException damage) when (mayPassOver(id, damage))
            {
                BackupLog.PassedOver(_log, id, damage.Message);
            }
            catch (WalEncryptionException) when (hidden is not null && BackupInfo.TimeOf(id) is { })
            {
                hidden(new HiddenBackup(id, BackupInfo.TimeOf(id)!.Value, objects.Where(o => o.Key.StartsWith(id + "/", StringComparison.Ordinal)).Sum(o => o.Value)));
            }
        }

        // The list of another tool's backups proves the place, and that there are none of this package.
        if (backups.Count > 0 || (await ForeignBackups.ListAsync(_store, cancellationToken).ConfigureAwait(false)).Count == 0)
            await presence.RequireAsync(null, cancellationToken).ConfigureAwait(false);
        backups.Sort(static (a, b) => string.CompareOrdinal(a.Id, b.Id));
        BackupChain.Judge(backups);
        return backups;
    }

    /// <summary>Looks one backup up.</summary>
    /// <param name="id">Its id; null takes the newest one that has all its parts.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The backup.</returns>
    /// <exception cref="WalBackupException">There is none of that id, or none at all (<c>wal.backup.unknown</c>), or it is one of another tool (<c>wal.backup.foreign</c>).</exception>
    /// <exception cref="WalArchiveAbsentException">The store is not begun, or not mounted.</exception>
    /// <exception cref="IOException">The store cannot be read.</exception>
    public async Task<BackupInfo> GetAsync(string? id = null, CancellationToken cancellationToken = default)
    {
        var backups = await ListAsync((other, _) => other != id, cancellationToken).ConfigureAwait(false);
        return (id is null ? backups.LastOrDefault(b => b.Problem is null) : backups.FirstOrDefault(b => b.Id == id))
            ?? throw await AbsentAsync(id ?? BaseBackupOptions.Latest, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Marks a backup to be kept whatever retention says.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A task that ends when the mark is durable.</returns>
    /// <exception cref="WalBackupException">There is no such backup (<c>wal.backup.unknown</c>), or it is being removed (<c>wal.backup.underway</c>).</exception>
    public async Task KeepAsync(string id, CancellationToken cancellationToken = default)
    {
        var backup = await GetAsync(id, cancellationToken).ConfigureAwait(false);
        if (backup.IsKept)
            return;
        await SmallObject.WriteAsync(_store, $"{id}/{KeepFile}", ReadOnlyMemory<byte>.Empty, cancellationToken).ConfigureAwait(false);
        // A removal that did not see the mark has taken the entry away before it was made.
        if (await BackupEntry.ReadAsync(_store, id, cancellationToken).ConfigureAwait(false) is not null)
            return;
        // While the removal goes on it may take the backup back, and then the mark counts.
        if (await _store.StatAsync($"{id}/{BackupRemoval.FileName}", cancellationToken).ConfigureAwait(false) is null)
            await UnmarkAsync(id, cancellationToken).ConfigureAwait(false);
        throw WalBackupException.Underway(_store.Id, id, "was marked too late");
    }

    /// <summary>Takes the mark of <see cref="KeepAsync"/> away.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A task that ends when the mark is gone.</returns>
    /// <exception cref="WalBackupException">There is no such backup.</exception>
    public async Task UnkeepAsync(string id, CancellationToken cancellationToken = default)
    {
        await GetAsync(id, cancellationToken).ConfigureAwait(false);
        await UnmarkAsync(id, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes one backup: first what makes it one, so that half of it is never listed.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="cancellationToken">Cancels before it is begun; what is begun is ended.</param>
    /// <returns>A task that ends when it is gone.</returns>
    /// <exception cref="WalBackupException">There is no such backup, it is marked to be kept, an incremental one stands on it, or it is the last valid one (<c>wal.backup.kept</c>); or another removal is at work on it (<c>wal.backup.underway</c>).</exception>
    /// <exception cref="WalArchiveAbsentException">The store is not begun, or not mounted.</exception>
    /// <exception cref="IOException">The store refused.</exception>
    public async Task DeleteAsync(string id, CancellationToken cancellationToken = default)
    {
        var (removal, ended) = await RemovalAsync(cancellationToken).ConfigureAwait(false);
        if (ended.Contains(id))
            return;
        var backups = await ListAsync(cancellationToken).ConfigureAwait(false);
        var backup = backups.FirstOrDefault(b => b.Id == id) ?? throw await AbsentAsync(id, cancellationToken).ConfigureAwait(false);
        if (backup.IsKept)
            throw WalBackupException.Kept(_store.Id, id, "is marked to be kept", "Take the mark away with 'omnipg-wal backups unkeep'.");
        if (backups.FirstOrDefault(b => b.IncrementOf == id) is { } upon)
            throw WalBackupException.Kept(_store.Id, id, $"is what the incremental backup '{upon.Id}' stands on", "Delete that one first.");
        if (backup.Problem is null && backups.Count(b => b.Problem is null) == 1)
            throw WalBackupException.Kept(_store.Id, id, "is the last valid one", "Make another backup first.");
        if (await removal.RunAsync(backup, backups, cancellationToken).ConfigureAwait(false) is not RemovalOutcome.Removed and var obstacle)
            throw Refused(id, obstacle);
    }

    /// <summary>Removes backups that no rule keeps, and with an archive the WAL that no backup left needs. The original's <c>omnipitr-backup-cleanup</c>.</summary>
    /// <param name="retention">The rules.</param>
    /// <param name="archive">The WAL archive; null leaves WAL alone.</param>
    /// <param name="cancellationToken">Cancels; what was removed stays removed, and every backup listed is whole.</param>
    /// <returns>What was removed, and what is left.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The rules cannot work.</exception>
    /// <exception cref="WalBackupException">An entry cannot be read, or no valid backup is there: then nothing is removed at all (<c>wal.backup.kept</c>). Another removal is at work (<c>wal.backup.underway</c>): then this one ends; what it removed before is logged.</exception>
    /// <exception cref="WalArchiveAbsentException">The store, or the archive, is not begun or not mounted.</exception>
    /// <exception cref="WalArchiveMismatchException">The archive is another cluster's than the backups.</exception>
    /// <exception cref="WalEncryptionException">An entry, or the WAL that tells whose the archive is, is encrypted, and its key was not given.</exception>
    /// <exception cref="IOException">A store refused.</exception>
    public async Task<BackupRetentionResult> CleanupAsync(BackupRetention retention, IObjectStore? archive = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(retention);
        OptionsCheck.Require(retention);
        var removal = retention.DryRun ? null : (await RemovalAsync(cancellationToken).ConfigureAwait(false)).Removal;
        var backups = await ListAsync(cancellationToken).ConfigureAwait(false);
        if (backups.All(b => b.Problem is not null))
            throw WalBackupException.Kept(_store.Id, "latest", "is not there: no backup is valid", "Find out what happened to the store before anything is removed from it.");
        var kept = retention.Kept(backups, _time.GetUtcNow());
        var left = backups.Where(b => kept.Contains(b.Id)).ToArray();
        var removed = backups.Where(b => !kept.Contains(b.Id)).ToArray();
        // Before the first removal: WAL of the wrong archive would be gone for a mistyped path.
        if (archive is not null)
            await RequireOwnAsync(archive, left, cancellationToken).ConfigureAwait(false);
        if (removed.Length > 0 && await UnderwayAsync(cancellationToken).ConfigureAwait(false) is [var underway, ..])
            throw WalBackupException.Underway(_store.Id, underway.Id, "is not to be judged");
        var spared = removal is null ? [] : await RemoveAsync(removal, removed, backups, cancellationToken).ConfigureAwait(false);
        (left, removed) = ([.. left.Concat(spared.Select(static s => s.Backup)).OrderBy(b => b.Id, StringComparer.Ordinal)], [.. removed.Where(b => spared.All(s => s.Backup != b))]);
        if (!retention.DryRun)
        {
            await new BackupSweep(_store, _time, _log).RunAsync(cancellationToken).ConfigureAwait(false);
            await WalRemovalNotice.SweepAsync(_store, _time, cancellationToken).ConfigureAwait(false);
        }

        string[] going = retention.DryRun ? [.. removed.Select(static b => b.Id)] : [];
        var from = WalFrom(left);
        async Task<WalFileName> KeptFromAsync(CancellationToken token) => from = await WalFromAsync(left, going, token).ConfigureAwait(false);
        if (archive is not null)
            await KeptFromAsync(cancellationToken).ConfigureAwait(false);
        var wal = archive is null ? [] : await RemoveWalAsync(archive, from, retention.DryRun, KeptFromAsync, cancellationToken).ConfigureAwait(false);
        return new BackupRetentionResult(removed, left, from, wal) { Spared = spared };
    }

    /// <summary>Reads a whole backup, and those that it stands on, without restoring it: each part to its end, against the SHA-256 of what was read from the server, and the WAL without which it is nothing.</summary>
    /// <param name="id">Its id; null takes the newest one that has all its parts.</param>
    /// <param name="archive">The WAL archive; null leaves the WAL of a backup that does not bring it along unchecked.</param>
    /// <param name="progress">Told after each part; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>What is wrong with it.</returns>
    /// <exception cref="WalBackupException">There is no such backup, or its entry cannot be read.</exception>
    /// <exception cref="WalEncryptionException">The backup, or the WAL that it needs, is encrypted, and its key was not given.</exception>
    /// <exception cref="WalArchiveAbsentException">The store, or the archive, is not begun or not mounted.</exception>
    /// <exception cref="IOException">A store cannot be read.</exception>
    public async Task<BackupVerifyResult> VerifyAsync(string? id = null, IObjectStore? archive = null, IProgress<BackupProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var backup = await GetAsync(id, cancellationToken).ConfigureAwait(false);
        var problems = new List<string>();
        foreach (var part in (await ChainAsync(backup, cancellationToken).ConfigureAwait(false)).SelectMany(b => b.Objects))
        {
            if (await BackupParts.ProblemOfAsync(_store, part, cancellationToken).ConfigureAwait(false) is { } problem)
                problems.Add(problem);
            progress?.Report(new BackupProgress(part.Key, part.RawBytes));
        }

        var isWalChecked = archive is not null && !backup.IncludesWal;
        if (isWalChecked)
        {
            var presence = await ArchivePresence.BeginAsync(archive!, cancellationToken).ConfigureAwait(false);
            if (await BackupWal.Of(backup).FirstMissingAsync(archive!, cancellationToken).ConfigureAwait(false) is { } missing)
                problems.Add($"WAL file '{missing}', without which it is not consistent, has no valid copy in '{archive!.Id}'");
            await presence.RequireAsync(backup.SystemIdentifier, cancellationToken).ConfigureAwait(false);
        }

        return new BackupVerifyResult(backup, problems, isWalChecked || backup.IncludesWal);
    }

    /// <summary>What the backups and an archive can restore together.</summary>
    /// <param name="archive">The WAL archive.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>A span per backup and timeline that leads on from it, by backup; none for a backup that lacks WAL which it needs.</returns>
    /// <exception cref="WalArchiveAbsentException">The store, or the archive, is not begun or not mounted.</exception>
    /// <exception cref="WalBackupException">An entry cannot be read.</exception>
    /// <exception cref="CodecUnavailableException">The program of a file's codec is missing.</exception>
    /// <exception cref="IOException">A store cannot be read.</exception>
    public async Task<IReadOnlyList<RecoverableRange>> GetRecoverableAsync(IObjectStore archive, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        var backups = await ListAsync(static (_, _) => true, cancellationToken).ConfigureAwait(false);
        var map = await ArchiveMap.LoadAsync(archive, cancellationToken).ConfigureAwait(false);
        return await new RecoverableFinder(archive, map).FindAsync(backups, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A backup with all that it stands on, the full one first.</summary>
    /// <exception cref="WalBackupException">One of them is not there any more.</exception>
    internal async Task<IReadOnlyList<BackupInfo>> ChainAsync(BackupInfo backup, CancellationToken cancellationToken) => backup.IncrementOf is null
        ? [backup]
        : BackupChain.Of(backup, await ListAsync(static (_, _) => true, cancellationToken).ConfigureAwait(false))
            ?? throw WalBackupException.Damaged(_store.Id, backup.Id, "a backup of which it holds the changes is not there or cannot be read");

    /// <summary>The removals that are at work, or were when they were killed or failed. Their backups are not listed.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>By id; of no use to a decision, because any of them may end at any time.</returns>
    /// <exception cref="IOException">The store cannot be read.</exception>
    public Task<IReadOnlyList<RemovalUnderway>> ListRemovalsAsync(CancellationToken cancellationToken = default) => new BackupRemoval(_store, _time).ListAsync(cancellationToken);

    /// <returns>The backups that somebody has come to need.</returns>
    private async Task<List<SparedBackup>> RemoveAsync(BackupRemoval removal, IReadOnlyList<BackupInfo> chosen, IReadOnlyList<BackupInfo> backups, CancellationToken cancellationToken)
    {
        var spared = new List<SparedBackup>();
        // The newest first: what stands on another goes before it, and what stays keeps what it stands on.
        foreach (var backup in chosen.Reverse())
        {
            var outcome = spared.Exists(s => s.Backup.IncrementOf == backup.Id) ? RemovalOutcome.Needed : await removal.RunAsync(backup, backups, cancellationToken).ConfigureAwait(false);
            if (outcome == RemovalOutcome.Underway)
                throw Refused(backup.Id, outcome);
            if (outcome != RemovalOutcome.Removed)
                spared.Add(new SparedBackup(backup, Obstacle(outcome).Why));
        }

        return spared;
    }

    /// <summary>What has come since the backups were listed counts, and what another removal may take back: looked at in this order, because one that is taken back leaves the one list for the other.</summary>
    private async Task<WalFileName> WalFromAsync(IReadOnlyList<BackupInfo> left, string[] going, CancellationToken cancellationToken)
    {
        var underway = await UnderwayAsync(cancellationToken).ConfigureAwait(false);
        var listed = await ListAsync(cancellationToken).ConfigureAwait(false);
        return WalFrom([.. left, .. underway.Concat(listed).Where(b => !going.Contains(b.Id))]);
    }

    private async Task<IReadOnlyList<WalArchivedFile>> RemoveWalAsync(IObjectStore archive, WalFileName from, bool isDry, Func<CancellationToken, Task<WalFileName>> keptFrom, CancellationToken cancellationToken)
    {
        var notice = new WalRemovalNotice(_store, keptFrom);
        await using (notice.ConfigureAwait(false))
            return (await new WalCleaner(archive, new CleanupOptions { DryRun = isDry }, _log, isDry ? null : notice.RenewAsync).RunAsync(from, cancellationToken).ConfigureAwait(false)).Removed;
    }

    private async Task UnmarkAsync(string id, CancellationToken cancellationToken)
    {
        foreach (var key in KeepKeys(id))
            await _store.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
    }

    private WalBackupException Refused(string id, RemovalOutcome obstacle) => obstacle == RemovalOutcome.Underway
        ? WalBackupException.Underway(_store.Id, id, "is not removed")
        : WalBackupException.Kept(_store.Id, id, Obstacle(obstacle).Why, Obstacle(obstacle).Hint);

    private static (string Why, string Hint) Obstacle(RemovalOutcome outcome) => outcome switch
    {
        RemovalOutcome.Needed => ("is what an incremental backup stands on that was made just now", "Delete that one first."),
        RemovalOutcome.Marked => ("was marked to be kept just now", "Take the mark away with 'omnipg-wal backups unkeep'."),
        _ => ("is the last valid one, because the others were removed just now", "Make another backup first."),
    };

    // Who has made a mark with a key means it for those too that have none.
    internal static IEnumerable<string> KeepKeys(string id) => [$"{id}/{KeepFile}", $"{id}/{KeepFile}{EncryptedFormat.Extension}"];

    private static Func<string, WalBackupException, bool> Tell(Action<WalBackupException> damaged) => (_, damage) =>
    {
        damaged(damage);
        return true;
    };

    // An archive of another tool has no marker; then the WAL of a backup in it tells whose it is.
    private static async Task RequireOwnAsync(IObjectStore archive, IReadOnlyList<BackupInfo> backups, CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(archive, cancellationToken).ConfigureAwait(false);
        await presence.RequireAsync(backups[^1].SystemIdentifier, cancellationToken).ConfigureAwait(false);
        if (await WalArchiveMarker.ReadAsync(archive, cancellationToken).ConfigureAwait(false) is not null)
            return;
        foreach (var backup in backups.Reverse())
        {
            if (await BackupWal.Of(backup).FirstMissingAsync(archive, cancellationToken).ConfigureAwait(false) is null)
                return;
        }

        throw WalArchiveMismatchException.Unproven(archive.Id, backups[^1].SystemIdentifier);
    }

    // A backup with its own WAL needs what follows to go on from its end. Positions, because an older timeline may be ahead of a newer one.
    private static WalFileName WalFrom(IEnumerable<BackupInfo> backups) => backups.Select(static b => b.WalFrom).MinBy(static n => n.Position);

    private Task<IReadOnlyList<BackupInfo>> UnderwayAsync(CancellationToken cancellationToken) => new BackupRemoval(_store, _time).UnderwayAsync(cancellationToken);

    // A backup that a killed removal has taken from an incremental one is to be there again before anything is chosen.
    private async Task<(BackupRemoval Removal, IReadOnlyList<string> Ended)> RemovalAsync(CancellationToken cancellationToken)
    {
        await ArchivePresence.BeginAsync(_store, cancellationToken).ConfigureAwait(false);
        var removal = new BackupRemoval(_store, _time, _log);
        return (removal, await removal.FinishAsync(cancellationToken).ConfigureAwait(false));
    }
}

/// <summary>A backup whose entry is encrypted with a key that was not given: what its name and the listing of the store tell.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Started">When it began, to the second (UTC).</param>
/// <param name="StoredBytes">Bytes that it takes in the store.</param>
public sealed record HiddenBackup(string Id, DateTimeOffset Started, long StoredBytes);

/// <summary>What the verification of a base backup found.</summary>
/// <param name="Backup">The backup.</param>
/// <param name="Problems">What is wrong with it; empty when every byte is what was read from the server.</param>
/// <param name="IsWalChecked">Whether the WAL that it needs was looked at, too: in the archive, or as a part of it.</param>
public sealed record BackupVerifyResult(BackupInfo Backup, IReadOnlyList<string> Problems, bool IsWalChecked)
{
    /// <summary>Whether nothing is wrong.</summary>
    public bool IsGood => Problems.Count == 0;
}
