using System.Runtime.ExceptionServices;
using System.Security.Cryptography;

namespace OmniPg.Wal;

public sealed partial class RepositoryCopy
{
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
            {
                Problems.Add($"'{backup.Id}': {damage}");
                return false;
            }

            try
            {
                foreach (var part in backup.Objects)
                {
                    await StoredAsync(backups, part.Key, cancellationToken).ConfigureAwait(false);
                    if (await BackupParts.ProblemOfAsync(readable, part, cancellationToken).ConfigureAwait(false) is not { } problem)
                        continue;
                    Problems.Add($"'{backup.Id}': {problem}");
                    return false;
                }

                if (!backup.IncludesWal && await BackupWal.Of(backup).FirstMissingAsync(readable, cancellationToken).ConfigureAwait(false) is { } missing)
                {
                    Problems.Add($"'{backup.Id}': WAL file '{missing}', without which it is not consistent, is not in '{readable.Id}'");
                    return false;
                }

                await target.RequireSamePlaceAsync(cancellationToken).ConfigureAwait(false);
                if (backup.IsKept)
                    await StoredAsync(backups, $"{backup.Id}/{BackupCatalog.KeepFile}", cancellationToken).ConfigureAwait(false);
                return await PublishAsync(backups, backup, cancellationToken).ConfigureAwait(false);
            }
            catch (WalConflictException conflict)
            {
                Problems.Add($"'{backup.Id}': {conflict.Message}");
                return false;
            }
        }

        private async Task<bool> PublishAsync(IObjectStore backups, BackupInfo backup, CancellationToken cancellationToken)
        {
            var removing = $"{backup.Id}/{BackupRemoval.FileName}";
            // A removal is at work there that has taken the entry away: written now, it would stand without its parts.
            if (!await IsThereAsync(BackupEntry.KeyOf(backup.Id), cancellationToken).ConfigureAwait(false) && await IsThereAsync(removing, cancellationToken).ConfigureAwait(false))
            {
                Problems.Add($"'{backup.Id}': it is being removed from '{to.Id}'");
                return false;
            }

            var written = Copied;
            if (!await StoredAsync(backups, BackupEntry.KeyOf(backup.Id), cancellationToken).ConfigureAwait(false))
            {
                Problems.Add($"'{backup.Id}': it was removed from '{backups.Id}' meanwhile");
                return false;
            }

            // Behind its own entry, as after a backup: a removal in the new place either sees that, or has taken this away (BackupRemoval).
            var isRemoving = Copied > written && await IsThereAsync(removing, cancellationToken).ConfigureAwait(false);
            var lost = isRemoving ? "it was being removed"
                : backup.IncrementOf is { } prior && !await IsThereAsync(BackupEntry.KeyOf(prior), cancellationToken).ConfigureAwait(false) ? $"backup '{prior}', of which it holds the changes, was removed"
                : await FirstLostAsync(backup, cancellationToken).ConfigureAwait(false) is { } part ? $"'{part}' was removed"
                : null;
            if (lost is null)
                return true;

            // What a removal has in its hands is its own: it may be taking the entry back right now.
            if (Copied > written && !isRemoving)
            {
                foreach (var key in (string[])[BackupEntry.KeyOf(backup.Id), BackupEntry.KeyOf(backup.Id) + EncryptedFormat.Extension])
                    await to.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
            }

            Problems.Add($"'{backup.Id}': {lost} from '{to.Id}' meanwhile");
            return false;
        }

        /// <summary>What the backup needs, and the new place has no more; of its WAL a cleanup that goes too far takes the first segment first.</summary>
        private async Task<string?> FirstLostAsync(BackupInfo backup, CancellationToken cancellationToken)
        {
            foreach (var part in backup.Objects)
            {
                if (!await IsThereAsync(part.Key, cancellationToken).ConfigureAwait(false))
                    return part.Key;
            }

            return backup.IncludesWal || await BackupWal.Of(backup).BeginsInAsync(readable, cancellationToken).ConfigureAwait(false) ? null : backup.WalFrom.ToString();
        }

        private async Task<bool> IsThereAsync(string key, CancellationToken cancellationToken) =>
            await readable.StatAsync(key, cancellationToken).ConfigureAwait(false) is not null || await readable.StatAsync(key + EncryptedFormat.Extension, cancellationToken).ConfigureAwait(false) is not null;

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
