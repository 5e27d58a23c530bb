namespace OmniPg.Wal;

/// <summary>A key is missing, or cannot be used. Never taken for a missing or damaged file.</summary>
/// <remarks>Codes <c>wal.encryption.…</c>; the program ends with exit code 24. What is damaged in an encrypted file is a <see cref="CorruptCompressedDataException"/>.</remarks>
public sealed class WalEncryptionException : WalException
{
    private WalEncryptionException(string code, string message, string hint, Exception? inner = null)
        : base(code, message, hint, inner)
    {
    }

    internal static WalEncryptionException KeyFile(string path, string what, string hint, Exception? inner = null) =>
        new("wal.encryption.key-file", $"The key file '{path}' cannot be used: {what}.", hint, inner);

    internal static WalEncryptionException NoKey(string store, string key) =>
        new("wal.encryption.no-key", $"'{key}' in '{store}' is encrypted, and no key was given.", "Give the key file with '--key'.") { Destination = store, File = key };

    internal static WalEncryptionException UnknownKey(string store, string key, string id) => new(
        "wal.encryption.unknown-key", $"'{key}' in '{store}' is encrypted with the key '{id}', which was not given.", "Give that key file with '--key' too; rotated keys are needed as long as their files are kept.")
    { Destination = store, File = key };
}
