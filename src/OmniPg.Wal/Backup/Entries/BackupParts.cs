using System.Security.Cryptography;

namespace OmniPg.Wal;

/// <summary>The objects with the data of a backup, compared with what its entry says of them.</summary>
internal static class BackupParts
{
    /// <summary>Compares the parts with a listing of the store.</summary>
    /// <returns>What is wrong; null when each is there with its size.</returns>
    public static string? ProblemOf(BackupInfo info, Dictionary<string, long> objects)
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

    /// <summary>Reads a part to its end.</summary>
    /// <returns>What is wrong with it; null when it is what was read from the server.</returns>
    public static async Task<string?> ProblemOfAsync(IObjectStore store, BackupPart part, CancellationToken cancellationToken)
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

    /// <summary>The files in a backup that has an object for its manifest.</summary>
    /// <exception cref="WalBackupException">The object is damaged.</exception>
    public static async Task<IReadOnlySet<string>> ReadPathsAsync(IObjectStore store, BackupInfo backup, CancellationToken cancellationToken)
    {
        var manifest = backup.Manifest!;
        try
        {
            var content = await WalContent.OpenReadAsync(store, manifest.Key, cancellationToken).ConfigureAwait(false)
                ?? throw WalBackupException.Damaged(store.Id, backup.Id, $"'{manifest.Key}' is missing");
            await using (content.ConfigureAwait(false))
            {
                using var json = new MemoryStream();
                await content.CopyToAsync(json, cancellationToken).ConfigureAwait(false);
                var bytes = json.GetBuffer().AsMemory(0, (int)json.Length);
                var found = Convert.ToHexStringLower(SHA256.HashData(bytes.Span));
                return found == manifest.Sha256
                    ? BackupManifest.PathsOf(bytes)
                    : throw WalBackupException.Damaged(store.Id, backup.Id, $"'{manifest.Key}' has the SHA-256 '{found}' instead of '{manifest.Sha256}'");
            }
        }
        catch (Exception damage) when (damage is CorruptCompressedDataException or InvalidDataException)
        {
            throw WalBackupException.Damaged(store.Id, backup.Id, $"'{manifest.Key}': {damage.Message}", damage);
        }
    }
}
