namespace OmniPg.Wal;

/// <summary>An object of a store.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Bytes">Its size as stored.</param>
/// <param name="Modified">When it was last modified (UTC); for a WAL file usually the segment's own modification time.</param>
/// <param name="Sha256">SHA-256 of its uncompressed content when the store keeps that with the object, else <see langword="null"/>.</param>
public sealed record WalStoreEntry(string Key, long Bytes, DateTimeOffset Modified, string? Sha256 = null);
