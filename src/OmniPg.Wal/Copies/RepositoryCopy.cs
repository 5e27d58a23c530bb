using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Copies a repository, WAL and base backups, or one backup with the WAL that it needs, to another store: byte for byte, and each file read and compared when it is there.</summary>
/// <remarks>
/// Files keep their keys, codecs and encryption. What is there already is compared and not written again, so a copy that was interrupted goes on where it was, and a later one brings what
/// is new. A backup counts in the new place when its entry is written: when its parts, and the WAL without which it is worth nothing, were read there and found good. Nothing is removed
/// anywhere but a backup just copied, when what it needs was removed there meanwhile. Of a receiver's directory the segment that is still open is copied once, and again when it is complete. Thread-safe; each call is a copy.
/// </remarks>
public sealed class RepositoryCopy
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

    /// <summary>One copy.</summary>
    private sealed class Run(IObjectStore to, IObjectStore readable, TimeProvider time, RateLimit? limit, IProgress<RepositoryCopyProgress>? progress)
    {
        private readonly WalCopier _copier = new(time);
        private ILookup<WalFileName, string> _there = Array.Empty<string>().ToLookup(static _ => default(WalFileName));

        public long Copied { get; private set; }

        public long Present { get; private set; }

        public long Bytes { get; private set; }

        public long Unread { get; private set; }

        public long Growing { get; private set; }

        public List<RepositoryCopyPartial> Partials { get; } = [];

        public List<string> Problems { get; } = [];

        /// <summary>Lists what the new place holds already.</summary>
        public async Task LookAsync(CancellationToken cancellationToken)
        {
            var files = new List<WalArchivedFile>();
            await foreach (var entry in to.ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
            {
                if (WalArchivedFile.TryParse(entry) is { } file)
                    files.Add(file);
            }

            _there = files.ToLookup(static f => f.Name, static f => f.Key);
        }

        public async Task WalAsync(IObjectStore archive, WalArchivedFile file, WalArchiveMarker marker, CancellationToken cancellationToken)
        {
            var expectations = new WalExpectations { SystemIdentifier = marker.SystemIdentifier, SegmentSize = marker.WalSegmentSize }.WithUnknownVersions();
            try
            {
                if (archive is not EncryptedObjectStore && file.Key != EncryptedNames.Plain(file.Key))
                {
                    Unread++;
                }
                else if (await WalContent.OpenReadAsync(archive, EncryptedNames.Plain(file.Key), cancellationToken).ConfigureAwait(false) is { } content)
                {
                    await using (content.ConfigureAwait(false))
                        await ContentCheck.RunAsync(content, file.Name, WalValidation.Full, expectations, cancellationToken).ConfigureAwait(false);
                }

                // Of two copies a restore takes one or the other.
                foreach (var other in _there[file.Name].Where(k => k != file.Key))
                    await RequireEqualAsync(archive, file.Key, other, cancellationToken).ConfigureAwait(false);
                if (await ObjectAsync(Plain(archive), file.Key, cancellationToken).ConfigureAwait(false) && file.Name.Kind == WalFileKind.Partial)
                    await TellPartialAsync(file.Key).ConfigureAwait(false);
            }
            catch (WalConflictException conflict)
            {
                if (file.Name.Kind == WalFileKind.Partial && _there[file.Name].FirstOrDefault() is { } other
                    && await PartialState.IsSameWalAsync((archive, file.Key), (readable, other), file.Name, expectations, cancellationToken).ConfigureAwait(false))
                {
                    Growing++;
                    await TellPartialAsync(other).ConfigureAwait(false);
                }
                else
                {
                    Problems.Add($"'{file.Key}': {conflict.Message}");
                }
            }
            catch (Exception invalid) when (invalid is WalValidationException or CorruptCompressedDataException)
            {
                Problems.Add($"'{file.Key}': {invalid.Message}");
            }

            async Task TellPartialAsync(string there) => Partials.Add(new RepositoryCopyPartial(
                file.Name,
                await PartialState.EndAsync((readable, there), file.Name, expectations, cancellationToken).ConfigureAwait(false),
                await PartialState.EndAsync((archive, file.Key), file.Name, expectations, cancellationToken).ConfigureAwait(false)));
        }

        /// <returns>Whether the backup counts in the new place.</returns>
        public async Task<bool> BackupAsync(IObjectStore backups, BackupInfo backup, ArchivePresence target, CancellationToken cancellationToken)
        {
            if (backup.Problem is { } damage)
                return Not(backup, damage);

            try
            {
                foreach (var part in backup.Objects)
                {
                    await StoredAsync(backups, part.Key, cancellationToken).ConfigureAwait(false);
                    if (await BackupParts.ProblemOfAsync(readable, part, cancellationToken).ConfigureAwait(false) is { } problem)
                        return Not(backup, problem);
                }

                if (!backup.IncludesWal && await BackupWal.Of(backup).FirstMissingAsync(readable, cancellationToken).ConfigureAwait(false) is { } missing)
                    return Not(backup, $"WAL file '{missing}', without which it is not consistent, is not in '{readable.Id}'");

                await target.RequireSamePlaceAsync(cancellationToken).ConfigureAwait(false);
                var before = Copied;
                if (backup.IsKept)
                    await StoredAsync(backups, $"{backup.Id}/{BackupCatalog.KeepFile}", cancellationToken).ConfigureAwait(false);
                return await PublishAsync(backups, backup, isMarkNew: Copied > before, cancellationToken).ConfigureAwait(false);
            }
            catch (WalConflictException conflict)
            {
                return Not(backup, conflict.Message);
            }
        }

        private bool Not(BackupInfo backup, string why)
        {
            Problems.Add($"'{backup.Id}': {why}");
            return false;
        }

        private async Task<bool> PublishAsync(IObjectStore backups, BackupInfo backup, bool isMarkNew, CancellationToken cancellationToken)
        {
            // An entry that is there counts, and its removal is somebody's will; one that is not is not brought back behind the removal's back.
            if (!await BackupEntry.IsThereAsync(readable, backup.Id, BackupInfo.FileName, cancellationToken).ConfigureAwait(false)
                && await BackupEntry.IsThereAsync(readable, backup.Id, BackupRemoval.FileName, cancellationToken).ConfigureAwait(false))
                return Not(backup, $"it is being removed from '{to.Id}', or its removal there was killed: 'omnipg-wal backup-cleanup' there ends that");

            var written = Copied;
            if (!await StoredAsync(backups, BackupEntry.KeyOf(backup.Id), cancellationToken).ConfigureAwait(false))
                return Not(backup, $"it was removed from '{backups.Id}' meanwhile");

            var isNew = Copied > written;
            if (await BackupNeeds.LossAsync(readable, backup, readable, time, isNew, cancellationToken).ConfigureAwait(false) is not { } loss)
                return true;
            if (isNew)
                await WithdrawAsync(backup, isMarkNew).ConfigureAwait(false);
            return Not(backup, $"brought to '{to.Id}', but {loss.What}");
        }

        // As any other is removed. Where somebody needs it, or a removal is at work, it is listed as what it is, and the next copy brings what it lacks.
        private async Task WithdrawAsync(BackupInfo backup, bool isMarkNew)
        {
            foreach (var key in isMarkNew ? BackupCatalog.KeepKeys(backup.Id) : [])
                await to.DeleteAsync(key, CancellationToken.None).ConfigureAwait(false);
            await new BackupRemoval(readable, time).RunAsync(backup, [], CancellationToken.None).ConfigureAwait(false);
        }

        /// <exception cref="WalConflictException">The new place holds the file under another codec's key, with another content.</exception>
        private async Task RequireEqualAsync(IObjectStore archive, string key, string other, CancellationToken cancellationToken)
        {
            var there = await ContentHashAsync(readable, other, cancellationToken).ConfigureAwait(false);
            var here = there is null ? null : await ContentHashAsync(archive, key, cancellationToken).ConfigureAwait(false);
            if (here is not null && here != there)
                throw new WalConflictException(other, to.Id, here, there!);
        }

        /// <returns>Null when it is not there, damaged, or encrypted with a key that was not given.</returns>
        private static async Task<string?> ContentHashAsync(IObjectStore store, string key, CancellationToken cancellationToken)
        {
            try
            {
                return await HashAsync(await WalContent.OpenReadAsync(store, EncryptedNames.Plain(key), cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception unreadable) when (unreadable is CorruptCompressedDataException or WalEncryptionException)
            {
                return null;
            }
        }

        /// <summary>Copies an object of a backup, whether it is encrypted or not.</summary>
        private async Task<bool> StoredAsync(IObjectStore from, string key, CancellationToken cancellationToken)
        {
            var (inner, encrypted) = (Plain(from), key + EncryptedFormat.Extension);
            // A mark may be encrypted where its backup is not.
            foreach (var stored in from is EncryptedObjectStore ? [encrypted, key] : (string[])[key, encrypted])
            {
                if (await ObjectAsync(inner, stored, cancellationToken).ConfigureAwait(false))
                    return true;
            }

            return false;
        }

        /// <summary>Copies one object, and reads it where it went.</summary>
        /// <returns>False when it was removed since it was listed; a backup that needs it is found out.</returns>
        private async Task<bool> ObjectAsync(IObjectStore from, string key, CancellationToken cancellationToken)
        {
            var entry = await from.StatAsync(key, cancellationToken).ConfigureAwait(false);
            if (entry is null)
                return false;
            if (await HashAsync(to, key, cancellationToken).ConfigureAwait(false) is { } there)
            {
                var here = await HashAsync(from, key, cancellationToken).ConfigureAwait(false);
                if (here is not null && here != there)
                    throw new WalConflictException(key, to.Id, here, there);
                await to.EnsureDurableAsync(key, cancellationToken).ConfigureAwait(false);
                Present++;
            }
            else if (await TryWriteAsync(from, entry, cancellationToken).ConfigureAwait(false))
            {
                Copied++;
            }
            else
            {
                return false;
            }

            Bytes += entry.Bytes;
            progress?.Report(new RepositoryCopyProgress(key, Copied + Present, Bytes));
            return true;
        }

        private async Task<bool> TryWriteAsync(IObjectStore from, ObjectEntry entry, CancellationToken cancellationToken)
        {
            var stream = await from.OpenReadAsync(entry.Key, cancellationToken).ConfigureAwait(false);
            if (stream is null)
                return false;
            await using var closing = stream.ConfigureAwait(false);
            var request = new CopyRequest
            {
                Source = RateLimit.Over(new StreamCopySource(stream, entry.Bytes, entry.Modified), limit),
                Targets = [new CopyTarget { Sink = to, Key = entry.Key, Codec = Codec.None, Id = to.Id }],
                NeedsSha256 = true,
            };
            var outcome = await _copier.CopyAsync(request, cancellationToken).ConfigureAwait(false);
            if (outcome.Targets[0].Error is WalException or OperationCanceledException)
                ExceptionDispatchInfo.Throw(outcome.Targets[0].Error!);
            if (outcome.Targets[0].Error is { } error)
                throw WalDestinationException.Failed(to.Id, entry.Key, error);
            if (await HashAsync(to, entry.Key, cancellationToken).ConfigureAwait(false) is var found && found != outcome.Sha256)
                throw WalDestinationException.Failed(to.Id, entry.Key, new InvalidDataException($"it gives back the SHA-256 '{found ?? "of nothing"}' instead of '{outcome.Sha256}'."));
            return true;
        }

        private static async Task<string?> HashAsync(IObjectStore store, string key, CancellationToken cancellationToken) =>
            await HashAsync(await store.OpenReadAsync(key, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

        private static async Task<string?> HashAsync(Stream? stream, CancellationToken cancellationToken)
        {
            if (stream is null)
                return null;
            await using (stream.ConfigureAwait(false))
                return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken).ConfigureAwait(false));
        }
    }
}
