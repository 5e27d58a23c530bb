namespace OmniPg.Wal;

/// <summary>A WAL file as an archive holds it.</summary>
/// <param name="Name">The file's name without directory and codec extension.</param>
/// <param name="Key">Its key in the store: name with extension, behind its directory in the sharded layout.</param>
/// <param name="StoredBytes">Size in the store.</param>
/// <param name="Modified">When it was last changed there, in UTC.</param>
public sealed record WalArchivedFile(WalFileName Name, string Key, long StoredBytes, DateTimeOffset Modified)
{
    /// <summary>The codec that the key's extension names; <see cref="Codec.None"/> without an extension. What is inside is decided by its first bytes.</summary>
    public Codec Codec => Codec.ForExtension(Key) ?? Codec.None;

    /// <summary>Recognises a WAL file by its key: a WAL file name in the root or in its directory of the sharded layout, with or without the extension of a codec.</summary>
    /// <returns>The file, or <see langword="null"/> for everything else, temporary files included.</returns>
    internal static WalArchivedFile? TryParse(ObjectEntry entry) =>
        WalObjectKey.TryParse(entry.Key, out var name, out var codec) && IsInPlace(entry.Key, name, codec)
            ? new WalArchivedFile(name, entry.Key, entry.Bytes, entry.Modified)
            : null;

    // A directory below an archive may be the archive of another cluster: only where one of the two layouts puts the file it is this archive's.
    private static bool IsInPlace(string key, WalFileName name, Codec codec) =>
        !key.Contains('/', StringComparison.Ordinal) || key.StartsWith(WalObjectKey.For(name, WalLayout.Sharded, codec)[..^codec.Extension.Length], StringComparison.OrdinalIgnoreCase);
}
