namespace OmniPg.Wal;

/// <content>Base backups of other tools.</content>
public sealed partial class BackupCatalog
{
    /// <summary>Lists the base backups that pgBackRest or Barman has at this place: the stanza's folder below <c>backup</c>, or the server's folder above <c>base</c>. They are restored by those tools.</summary>
    /// <param name="archive">The WAL archive, to tell how far each of them can be rolled forward; null leaves that open.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The backups, oldest first; none where no such tool keeps any.</returns>
    /// <exception cref="WalBackupException">The tool's list cannot be read (<c>wal.backup.damaged</c>).</exception>
    /// <exception cref="WalArchiveAbsentException">The archive is not begun, or not mounted.</exception>
    /// <exception cref="IOException">A store cannot be read.</exception>
    public async Task<IReadOnlyList<ForeignBackup>> ListForeignAsync(IObjectStore? archive = null, CancellationToken cancellationToken = default)
    {
        var found = await ForeignBackups.ListAsync(_store, cancellationToken).ConfigureAwait(false);
        if (archive is null || found.Count == 0)
            return found;
        var map = await ArchiveMap.LoadAsync(archive, cancellationToken).ConfigureAwait(false);
        var ranges = await new RecoverableFinder(archive, map).FindAsync(found.Select(b => b.AsBackup(map.Size.Bytes)).OfType<BackupInfo>(), cancellationToken).ConfigureAwait(false);
        var reached = ranges.GroupBy(r => r.BackupId).ToDictionary(g => g.Key, g => g.Max(r => r.To), StringComparer.Ordinal);
        return [.. found.Select(b => reached.TryGetValue(b.Id, out var to) ? b with { RecoverableTo = to } : b)];
    }

    /// <summary>What to say of a backup that is not there: there may be one of another tool.</summary>
    internal async Task<WalBackupException> AbsentAsync(string id, CancellationToken cancellationToken)
    {
        var foreign = await ForeignBackups.ListAsync(_store, cancellationToken).ConfigureAwait(false);
        return foreign.LastOrDefault(b => b.Id == id) is { } named ? WalBackupException.Foreign(_store.Id, named)
            : foreign is [.., var newest] && id == BaseBackupOptions.Latest ? WalBackupException.Foreign(_store.Id, newest)
            : (await ListRemovalsAsync(cancellationToken).ConfigureAwait(false)).FirstOrDefault(r => r.Id == id || id == BaseBackupOptions.Latest) is { } removal ? WalBackupException.Underway(_store.Id, removal.Id, "cannot be used")
            : WalBackupException.Unknown(_store.Id, id);
    }
}
