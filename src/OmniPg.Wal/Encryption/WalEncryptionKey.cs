using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Wal;

/// <summary>A key of 256 bits for archived files. Its text never holds the secret.</summary>
public sealed class WalEncryptionKey
{
    /// <summary>Length of the secret in bytes.</summary>
    public const int SecretBytes = 32;

    private const int IdDigits = 16;
    private const UnixFileMode OfOthers = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private readonly byte[] _secret;

    /// <summary>Makes a key from its secret, as a key service hands it out.</summary>
    /// <param name="secret">32 bytes that nobody can guess; copied.</param>
    /// <exception cref="ArgumentException">It has another length.</exception>
    public WalEncryptionKey(ReadOnlySpan<byte> secret)
    {
        if (secret.Length != SecretBytes)
            throw new ArgumentException($"A key has '{SecretBytes}' bytes, not '{secret.Length}'.", nameof(secret));
        _secret = secret.ToArray();
        Id = Convert.ToHexStringLower(SHA256.HashData(secret))[..IdDigits];
    }

    /// <summary>Name of the key in encrypted files: the first 16 hex digits of the SHA-256 of its secret.</summary>
    public string Id { get; }

    internal ReadOnlySpan<byte> Secret => _secret;

    /// <summary>Makes a new key from the random numbers of the system.</summary>
    /// <returns>The key.</returns>
    public static WalEncryptionKey Generate() => new(RandomNumberGenerator.GetBytes(SecretBytes));

    /// <summary>Reads a key file: 64 hex digits, readable by its owner alone.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The key.</returns>
    /// <exception cref="WalEncryptionException">It is missing, unreadable, open to others, or holds no key.</exception>
    public static WalEncryptionKey ReadFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & OfOthers) is var open and not 0)
                throw WalEncryptionException.KeyFile(path, $"others may use it ('{open}')", "chmod 600 it; if others could read it, make a new key.");
            var text = File.ReadAllText(path).Trim();
            return text.Length == 2 * SecretBytes && text.All(char.IsAsciiHexDigit)
                ? new WalEncryptionKey(Convert.FromHexString(text))
                : throw WalEncryptionException.KeyFile(path, $"it does not hold '{2 * SecretBytes}' hex digits", "Make a key with 'omnipg-wal keygen'.");
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalEncryptionException.KeyFile(path, refused.Message.TrimEnd('.'), "Name the key file, and give it to this account.", refused);
        }
    }

    /// <summary>Writes the key into a new file of mode 0600 and returns when it is durable. Without this file what it encrypts is lost: keep a copy elsewhere.</summary>
    /// <param name="path">A file that does not exist.</param>
    /// <exception cref="WalEncryptionException">The file exists, or cannot be written.</exception>
    public void WriteFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using (var file = new FileStream(path, options))
            {
                file.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(_secret) + "\n"));
                file.Flush();
                DurableFile.FlushToDisk(file.SafeFileHandle);
            }

            DurableFile.FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalEncryptionException.KeyFile(path, refused.Message.TrimEnd('.'), "Choose a new file: a key is never overwritten.", refused);
        }
    }

    /// <summary>The <see cref="Id"/>.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => Id;
}
