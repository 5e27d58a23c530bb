namespace OmniPg.Wal;

/// <summary>Knows the keys of an archive: one to write with, and those that older files were written with. Thread safe.</summary>
public interface IWalKeyProvider
{
    /// <summary>The key that new files are encrypted with.</summary>
    WalEncryptionKey Current { get; }

    /// <summary>Finds the key of a file.</summary>
    /// <param name="id">The <see cref="WalEncryptionKey.Id"/> in the file.</param>
    /// <returns>The key, or <see langword="null"/> when it is not known.</returns>
    WalEncryptionKey? Find(string id);
}

/// <summary>A fixed set of keys. Rotation: a new one comes first, the old ones stay behind it as long as files of theirs are kept.</summary>
public sealed class WalKeyRing : IWalKeyProvider
{
    private readonly IReadOnlyList<WalEncryptionKey> _keys;

    /// <summary>Takes keys.</summary>
    /// <param name="keys">At least one; the first is the <see cref="Current"/> one.</param>
    /// <exception cref="ArgumentException">There is none.</exception>
    public WalKeyRing(params IReadOnlyList<WalEncryptionKey> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        _keys = keys.Count > 0 ? [.. keys] : throw new ArgumentException("A key ring needs a key.", nameof(keys));
    }

    /// <inheritdoc/>
    public WalEncryptionKey Current => _keys[0];

    /// <inheritdoc/>
    public WalEncryptionKey? Find(string id) => _keys.FirstOrDefault(key => key.Id == id);
}
