namespace OmniPg.Wal;

/// <summary>The small objects of a backup: its entry, which makes it one, and what lies beside it.</summary>
internal static class BackupEntry
{
    /// <summary>The key of a backup's entry.</summary>
    public static string KeyOf(string id) => $"{id}/{BackupInfo.FileName}";

    /// <summary>The backup whose entry a key is, encrypted or not; null for any other object.</summary>
    public static string? IdOf(string key) => FolderOf(key, BackupInfo.FileName);

    /// <summary>The folder of an object of that name, encrypted or not; null for any other object.</summary>
    public static string? FolderOf(string key, string name)
    {
        var plain = EncryptedNames.Plain(key);
        return plain.EndsWith("/" + name, StringComparison.Ordinal) ? plain[..^(name.Length + 1)] : null;
    }

    /// <summary>Reads an entry.</summary>
    /// <returns>Null when it was removed since it was listed.</returns>
    /// <exception cref="WalBackupException">It is damaged.</exception>
    public static async Task<BackupInfo?> ReadAsync(IObjectStore store, string id, CancellationToken cancellationToken) =>
        await ReadAsync(store, id, BackupInfo.FileName, cancellationToken).ConfigureAwait(false) is { } json ? BackupInfo.Parse(json, store.Id, id) : null;

    /// <summary>Whether a small object of a backup is there, encrypted or not.</summary>
    public static async Task<bool> IsThereAsync(IObjectStore store, string id, string name, CancellationToken cancellationToken) =>
        await store.StatAsync($"{id}/{name}", cancellationToken).ConfigureAwait(false) is not null
        || await store.StatAsync($"{id}/{name}{EncryptedFormat.Extension}", cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>Reads a small object of a backup.</summary>
    /// <returns>Null when it is not there.</returns>
    /// <exception cref="WalBackupException">It is encrypted, and not what was written.</exception>
    public static async Task<byte[]?> ReadAsync(IObjectStore store, string id, string name, CancellationToken cancellationToken)
    {
        try
        {
            var stream = await store.OpenReadAsync($"{id}/{name}", cancellationToken).ConfigureAwait(false);
            if (stream is null)
                return null;
            await using (stream.ConfigureAwait(false))
            {
                using var content = new MemoryStream();
                await stream.CopyToAsync(content, cancellationToken).ConfigureAwait(false);
                return content.ToArray();
            }
        }
        catch (CorruptCompressedDataException damage)
        {
            throw WalBackupException.Damaged(store.Id, id, $"its '{name}': {damage.Message}", damage);
        }
    }
}
