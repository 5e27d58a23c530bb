using System.Security.Cryptography;

namespace OmniPg.Wal;

/// <content>The objects of the backups: read, written, compared, removed.</content>
public sealed partial class BackupCatalog
{
    // Who has made a mark with a key means it for those too that have none.
    private static IEnumerable<string> KeepKeys(string id) => [$"{id}/{KeepFile}", $"{id}/{KeepFile}{EncryptedFormat.Extension}"];

    private static Func<string, WalBackupException, bool> Tell(Action<WalBackupException> damaged) => (_, damage) =>
    {
        damaged(damage);
        return true;
    };

    /// <summary>Writes a small object that is not there yet.</summary>
    internal static async Task<ObjectCommitResult> WriteAsync(IObjectStore store, string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        try
        {
            var writer = await store.CreateAsync(key, new ObjectInfo { RawBytes = content.Length }, cancellationToken).ConfigureAwait(false);
            await using (writer.ConfigureAwait(false))
            {
                await writer.WriteAsync(content, cancellationToken).ConfigureAwait(false);
                return await writer.CommitAsync(ObjectContent.Of(content.Span), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalDestinationException.Failed(store.Id, key, refused);
        }
    }

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

    /// <summary>A backup with all that it stands on, the full one first.</summary>
    /// <exception cref="WalBackupException">One of them is not there any more.</exception>
    internal async Task<IReadOnlyList<BackupInfo>> ChainAsync(BackupInfo backup, CancellationToken cancellationToken) => backup.IncrementOf is null
        ? [backup]
        : BackupChain.Of(backup, await ListAsync(static (_, _) => true, cancellationToken).ConfigureAwait(false))
            ?? throw WalBackupException.Damaged(_store.Id, backup.Id, "a backup of which it holds the changes is not there or cannot be read");

    /// <summary>The files in a backup that has an object for its manifest.</summary>
    /// <exception cref="WalBackupException">The object is damaged.</exception>
    internal async Task<IReadOnlySet<string>> ReadPathsAsync(BackupInfo backup, CancellationToken cancellationToken)
    {
        var manifest = backup.Manifest!;
        try
        {
            var content = await WalContent.OpenReadAsync(_store, manifest.Key, cancellationToken).ConfigureAwait(false)
                ?? throw WalBackupException.Damaged(_store.Id, backup.Id, $"'{manifest.Key}' is missing");
            await using (content.ConfigureAwait(false))
            {
                using var json = new MemoryStream();
                await content.CopyToAsync(json, cancellationToken).ConfigureAwait(false);
                var bytes = json.GetBuffer().AsMemory(0, (int)json.Length);
                var found = Convert.ToHexStringLower(SHA256.HashData(bytes.Span));
                return found == manifest.Sha256
                    ? BackupManifest.PathsOf(bytes)
                    : throw WalBackupException.Damaged(_store.Id, backup.Id, $"'{manifest.Key}' has the SHA-256 '{found}' instead of '{manifest.Sha256}'");
            }
        }
        catch (Exception damage) when (damage is CorruptCompressedDataException or InvalidDataException)
        {
            throw WalBackupException.Damaged(_store.Id, backup.Id, $"'{manifest.Key}': {damage.Message}", damage);
        }
    }

    /// <summary>Removes a backup: what makes it one, and then its objects.</summary>
    /// <returns>Whether it was removed; not when a backup that stands on it has come since the backups were listed.</returns>
    private async Task<bool> TryRemoveAsync(BackupInfo backup, IReadOnlyList<BackupInfo> listed, CancellationToken cancellationToken)
    {
        var key = $"{backup.Id}/{BackupInfo.FileName}";
        if (await HasLateIncrementAsync(backup, listed, cancellationToken).ConfigureAwait(false))
            return false;
        var entry = await ReadEntryAsync(backup.Id, cancellationToken).ConfigureAwait(false);
        await _store.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
        // Whoever publishes an increment looks for this entry behind that: of two that meet here, one sees the other. What cannot be looked at is no proof that there is none.
        var isNeeded = true;
        try
        {
            isNeeded = await HasLateIncrementAsync(backup, listed, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            if (isNeeded && entry is not null)
                await WriteAsync(_store, key, entry, CancellationToken.None).ConfigureAwait(false);
        }

        if (isNeeded)
            return false;
        foreach (var part in backup.Objects)
            await _store.DeleteAsync(part.Key, cancellationToken).ConfigureAwait(false);
        BackupLog.Removed(_log, backup.Id);
        return true;
    }

    private async Task<bool> HasLateIncrementAsync(BackupInfo backup, IReadOnlyList<BackupInfo> listed, CancellationToken cancellationToken)
    {
        await foreach (var entry in _store.ListAsync("", Depth, cancellationToken).ConfigureAwait(false))
        {
            var key = EncryptedNames.Plain(entry.Key);
            if (!key.EndsWith("/" + BackupInfo.FileName, StringComparison.Ordinal))
                continue;
            var id = key[..^(BackupInfo.FileName.Length + 1)];
            if (listed.Any(b => b.Id == id))
                continue;
            if (key != entry.Key)
                throw WalEncryptionException.NoKey(_store.Id, entry.Key);
            if (await ReadAsync(id, cancellationToken).ConfigureAwait(false) is { IncrementOf: { } prior } && prior == backup.Id)
                return true;
        }

        return false;
    }

    /// <returns>Null when it was removed since it was listed.</returns>
    private async Task<BackupInfo?> ReadAsync(string id, CancellationToken cancellationToken) =>
        await ReadEntryAsync(id, cancellationToken).ConfigureAwait(false) is { } json ? BackupInfo.Parse(json, _store.Id, id) : null;

    private async Task<byte[]?> ReadEntryAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            var stream = await _store.OpenReadAsync($"{id}/{BackupInfo.FileName}", cancellationToken).ConfigureAwait(false);
            if (stream is null)
                return null;
            await using (stream.ConfigureAwait(false))
            {
                using var json = new MemoryStream();
                await stream.CopyToAsync(json, cancellationToken).ConfigureAwait(false);
                return json.ToArray();
            }
        }
        catch (CorruptCompressedDataException damage)
        {
            // Encrypted, and not what was written.
            throw WalBackupException.Damaged(_store.Id, id, $"its '{BackupInfo.FileName}': {damage.Message}", damage);
        }
    }

    /// <summary>Reads a part to its end.</summary>
    /// <returns>What is wrong with it; null when it is what was read from the server.</returns>
    internal static async Task<string?> ProblemOfAsync(IObjectStore store, BackupPart part, CancellationToken cancellationToken)
    {
        try
        {
            var content = await WalContent.OpenReadAsync(store, part.Key, cancellationToken).ConfigureAwait(false);
            if (content is null)
                return $"'{part.Key}' is missing";
            await using (content.ConfigureAwait(false))
            {
                var found = Convert.ToHexStringLower(await SHA256.HashDataAsync(content, cancellationToken).ConfigureAwait(false));
                return found == part.Sha256 ? null : $"'{part.Key}' has the SHA-256 '{found}' instead of '{part.Sha256}'";
            }
        }
        catch (CorruptCompressedDataException damage)
        {
            return $"'{part.Key}': {damage.Message}";
        }
    }

    private static string? ProblemOf(BackupInfo info, Dictionary<string, long> objects)
    {
        foreach (var part in info.Parts)
        {
            if (!objects.TryGetValue(part.Key, out var bytes))
                return $"'{part.Key}' is missing";
            if (bytes != part.StoredBytes)
                return $"'{part.Key}' has {bytes} bytes instead of {part.StoredBytes}";
        }

        return null;
    }
}
