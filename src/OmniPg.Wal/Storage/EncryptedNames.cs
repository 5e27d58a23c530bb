namespace OmniPg.Wal;

/// <summary>Whether a file that was not found lies there encrypted: then it is not absent, and whoever asked lacks the key.</summary>
internal static class EncryptedNames
{
    /// <summary>The name under which a key holder sees an object.</summary>
    public static string Plain(string name) => name.EndsWith(EncryptedFormat.Extension, StringComparison.Ordinal) ? name[..^EncryptedFormat.Extension.Length] : name;

    /// <exception cref="WalEncryptionException">It does, and the store is read without a key.</exception>
    public static async Task RequireNoneAsync(IObjectStore store, WalFileName name, CancellationToken cancellationToken)
    {
        if (store is EncryptedObjectStore)
            return;
        foreach (var layout in (WalLayout[])[WalLayout.Flat, WalLayout.Sharded])
            if (await FindAsync(store, name, layout, cancellationToken).ConfigureAwait(false) is { } key)
                throw WalEncryptionException.NoKey(store.Id, key);
    }

    // A directory is asked for each name, which reads nothing of its list; a bucket is asked once, for all names that begin alike.
    private static async Task<string?> FindAsync(IObjectStore store, WalFileName name, WalLayout layout, CancellationToken cancellationToken)
    {
        if (store is DirectoryObjectStore)
        {
            foreach (var (key, _) in WalObjectKey.Candidates(name, layout))
                if (await store.StatAsync(key + EncryptedFormat.Extension, cancellationToken).ConfigureAwait(false) is not null)
                    return key + EncryptedFormat.Extension;
            return null;
        }

        await foreach (var entry in store.ListAsync(WalObjectKey.For(name, layout, Codec.None), WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
            if (entry.Key.EndsWith(EncryptedFormat.Extension, StringComparison.Ordinal) && WalObjectKey.TryParse(entry.Key, out var found, out _) && found == name)
                return entry.Key;
        return null;
    }
}
