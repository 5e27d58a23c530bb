using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Copies a repository, WAL and base backups, or one backup with the WAL that it needs, to another store: byte for byte, and each file read and compared when it is there.</summary>
/// <remarks>
/// Files keep their keys, codecs and encryption. What is there already is compared and not written again, so a copy that was interrupted goes on where it was, and a later one brings what
/// is new. A backup counts in the new place when its entry is written: when its parts, and the WAL without which it is worth nothing, were read there and found good. Nothing is removed
/// anywhere but an entry just written, when what its backup stands on was removed there meanwhile. Of a receiver's directory the segment that is still open is copied once, and again when it is complete. Thread-safe; each call is a copy.
/// </remarks>
public sealed partial class RepositoryCopy
{
    private readonly IObjectStore _archive;
    private readonly IObjectStore _backups;
    private readonly IObjectStore _to;
    private readonly RepositoryCopyOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Makes copies; nothing is touched yet.</summary>
    /// <param name="archive">The WAL archive. Not disposed.</param>
    /// <param name="to">Where the copies go: begun with <c>omnipg-wal init</c> or a copy before, or <see cref="RepositoryCopyOptions.Begin"/>. Not disposed.</param>
    /// <param name="options">What and how; null takes the defaults.</param>
    /// <param name="backups">The store with the base backups; null looks for them in the archive. Not disposed.</param>
    /// <param name="timeProvider">Clock of the copy; that of the system when null.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    public RepositoryCopy(IObjectStore archive, IObjectStore to, RepositoryCopyOptions? options = null, IObjectStore? backups = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ArgumentNullException.ThrowIfNull(to);
        (_archive, _backups, _to, _time) = (archive, backups ?? archive, to, timeProvider ?? TimeProvider.System);
        _options = OptionsCheck.Require(options ?? new RepositoryCopyOptions());
    }

    /// <summary>Copies.</summary>
    /// <param name="progress">Told after each file; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels; what was copied stays, and every backup listed is whole.</param>
    /// <returns>What was copied, and what was not because it is no good. Invalid files are results, not exceptions.</returns>
    /// <exception cref="WalArchiveAbsentException">A store is not begun, or not mounted.</exception>
    /// <exception cref="WalArchiveMismatchException">The new place, or a backup, is another cluster's, the new place cannot prove whose it is, or it is the old one.</exception>
    /// <exception cref="WalBackupException">There is no such backup, or an entry cannot be read.</exception>
    /// <exception cref="WalEncryptionException">The entry of a backup is encrypted, and its key was not given.</exception>
    /// <exception cref="WalDestinationException">The new place did not take a file, or gives back other bytes.</exception>
    /// <exception cref="IOException">A store cannot be read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<RepositoryCopyResult> RunAsync(IProgress<RepositoryCopyProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var source = await ArchivePresence.BeginAsync(_archive, cancellationToken).ConfigureAwait(false);
        var backups = await BackupsAsync(cancellationToken).ConfigureAwait(false);
        var files = await FilesAsync(backups, cancellationToken).ConfigureAwait(false);
        await source.RequireAsync(null, cancellationToken).ConfigureAwait(false);
        var marker = await MarkerAsync(files, backups, cancellationToken).ConfigureAwait(false);
        if (backups.FirstOrDefault(b => b.SystemIdentifier != marker.SystemIdentifier) is { } foreign)
            throw WalArchiveMismatchException.OtherCluster(_backups.Id, "system identifier", foreign.SystemIdentifier, marker.SystemIdentifier);
        var target = await BeginAsync(marker, cancellationToken).ConfigureAwait(false);
        var run = new Run(Plain(_to), Keyed(_to), _time, RateLimit.Of(_options.MaxRate, _time), progress);
        await run.LookAsync(cancellationToken).ConfigureAwait(false);
        foreach (var file in files)
            await run.WalAsync(_archive, file, marker, cancellationToken).ConfigureAwait(false);
        await source.RequireSamePlaceAsync(cancellationToken).ConfigureAwait(false);
        var complete = files.Where(f => f.Name.Kind == WalFileKind.Segment).Select(f => (f.Name.Timeline, f.Name.Position)).ToHashSet();
        var copied = new List<BackupInfo>();
        foreach (var backup in backups)
        {
            if (backup.IncrementOf is { } prior && copied.TrueForAll(b => b.Id != prior))
                run.Problems.Add($"'{backup.Id}': backup '{prior}', of which it holds the changes, is not in '{_to.Id}'");
            else if (await run.BackupAsync(_backups, backup, target, cancellationToken).ConfigureAwait(false))
                copied.Add(backup);
        }

        return new RepositoryCopyResult(run.Copied, run.Present, run.Bytes, run.Unread, copied, run.Problems)
        {
            Growing = run.Growing,
            Partials = run.Partials.FindAll(p => !complete.Contains((p.Name.Timeline, p.Name.Position))),
        };
    }

    /// <summary>The store behind encryption: objects go over as they are.</summary>
    private static IObjectStore Plain(IObjectStore store) => store is EncryptedObjectStore encrypted ? encrypted.Inner : store;

    /// <summary>The new place as whoever has the keys of the old one reads it.</summary>
    private IObjectStore Keyed(IObjectStore store) =>
        _archive is EncryptedObjectStore a ? a.Over(Plain(store)) : _backups is EncryptedObjectStore b ? b.Over(Plain(store)) : Plain(store);

    private async Task<IReadOnlyList<BackupInfo>> BackupsAsync(CancellationToken cancellationToken)
    {
        var catalog = new BackupCatalog(_backups);
        // What an incremental one stands on is copied with it, and before it.
        return _options.BackupId is { } id
            ? await catalog.ChainAsync(await catalog.GetAsync(id == RepositoryCopyOptions.Latest ? null : id, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false)
            : await catalog.ListAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The WAL files under their keys in the store behind encryption, histories first: no segment of a timeline is ever without its way there.</summary>
    private async Task<List<WalArchivedFile>> FilesAsync(IReadOnlyList<BackupInfo> backups, CancellationToken cancellationToken)
    {
        var files = new List<WalArchivedFile>();
        await foreach (var entry in Plain(_archive).ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (WalArchivedFile.TryParse(entry) is { } file && (_options.BackupId is null || backups.Any(b => IsNeeded(file.Name, b))))
                files.Add(file);
        }

        return [.. files.OrderBy(f => f.Name.Kind != WalFileKind.TimelineHistory).ThenBy(f => f.Name.Timeline).ThenBy(f => f.Key, StringComparer.Ordinal)];
    }

    private static bool IsNeeded(WalFileName name, BackupInfo backup) => name.Kind switch
    {
        WalFileKind.TimelineHistory => name.Timeline <= backup.Timeline,
        WalFileKind.Segment => !backup.IncludesWal && name.Timeline == backup.Timeline && name.Position >= backup.WalFrom.Position && name.Position <= backup.WalTo.Position,
        _ => false,
    };

    private async Task<WalArchiveMarker> MarkerAsync(List<WalArchivedFile> files, IReadOnlyList<BackupInfo> backups, CancellationToken cancellationToken)
    {
        if (await WalArchiveMarker.ReadAsync(_archive, cancellationToken).ConfigureAwait(false) is { } marker)
            return marker;
        if (backups is [var backup, ..])
            return new WalArchiveMarker { SystemIdentifier = backup.SystemIdentifier, PgVersion = backups[^1].PgVersion, WalSegmentSize = backup.WalSegmentSize };
        // An archive of another tool: a segment tells whose it is.
        foreach (var file in files.Where(f => f.Name.Kind == WalFileKind.Segment))
        {
            if (await WindowFinder.SummaryAsync(_archive, file with { Key = EncryptedNames.Plain(file.Key) }, cancellationToken).ConfigureAwait(false) is { } summary)
                return new WalArchiveMarker { SystemIdentifier = summary.SystemIdentifier, PgVersion = summary.PgMajor, WalSegmentSize = summary.SegmentSize };
        }

        throw WalArchiveAbsentException.Nothing(_archive.Id);
    }

    private async Task<ArchivePresence> BeginAsync(WalArchiveMarker marker, CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(_to, cancellationToken).ConfigureAwait(false);
        // A link or a second mount has another name. Only Linux tells.
        var place = await _to.IdentifyAsync(cancellationToken).ConfigureAwait(false);
        if (OperatingSystem.IsLinux() && place == await _archive.IdentifyAsync(cancellationToken).ConfigureAwait(false) && place == await _backups.IdentifyAsync(cancellationToken).ConfigureAwait(false))
            throw WalArchiveMismatchException.Itself(_to.Id);
        if (await WalArchiveMarker.ReadAsync(_to, cancellationToken).ConfigureAwait(false) is null)
        {
            await foreach (var entry in _to.ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
            {
                if (WalArchivedFile.TryParse(entry) is not null)
                    throw WalArchiveMismatchException.Unproven(_to.Id, marker.SystemIdentifier);
            }

            // An empty folder may be the one below a mount that is not there.
            if (!_options.Begin)
                throw WalArchiveAbsentException.Nothing(_to.Id);
            await (marker with { Created = _time.GetUtcNow() }).WriteAsync(Plain(_to), cancellationToken).ConfigureAwait(false);
        }

        await presence.RequireAsync(marker.SystemIdentifier, cancellationToken).ConfigureAwait(false);
        return presence;
    }
}
