using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Wal;

/// <summary>
/// The format of encrypted files: header <c>OPGW</c>, version, algorithm, length of the key id, key id, salt, chunk size (little-endian), then chunks of AES-256-GCM.
/// Each file has a key of its own, derived from the salt, so that a nonce is only a counter and a mark of the last chunk: a chunk that is lost, moved or added does
/// not open, nor does any under another header.
/// </summary>
internal sealed class EncryptedFormat : IDisposable
{
    public const int ChunkBytes = 65536;
    public const int TagBytes = 16;
    public const string Extension = ".enc";

    /// <summary>Most bytes of a header.</summary>
    public const int LongestHeader = FixedBytes + LongestId + SaltBytes + sizeof(uint);

    /// <summary>Name in errors of damage.</summary>
    public const string Name = "aes-256-gcm";

    private const int FixedBytes = 8;
    private const int LongestId = 256;
    private const int SaltBytes = 32;
    private const int NonceBytes = 12;
    private const byte Version = 1;
    private const byte Aes256Gcm = 1;

    private readonly AesGcm _cipher;
    private uint _counter;

    private EncryptedFormat(byte[] header, WalEncryptionKey key, ReadOnlySpan<byte> salt)
    {
        Header = header;
        Span<byte> fileKey = stackalloc byte[WalEncryptionKey.SecretBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key.Secret, fileKey, salt, "omnipg-wal/1"u8);
        _cipher = new AesGcm(fileKey, TagBytes);
        CryptographicOperations.ZeroMemory(fileKey);
    }

    private static ReadOnlySpan<byte> Magic => "OPGW"u8;

    public byte[] Header { get; }

    public static bool Matches(ReadOnlySpan<byte> head) => head.StartsWith(Magic);

    /// <summary>For a new file.</summary>
    public static EncryptedFormat Create(WalEncryptionKey key)
    {
        var id = Encoding.UTF8.GetBytes(key.Id);
        var header = new byte[FixedBytes + id.Length + SaltBytes + sizeof(uint)];
        Magic.CopyTo(header);
        (header[4], header[5]) = (Version, Aes256Gcm);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(6), (ushort)id.Length);
        id.CopyTo(header, FixedBytes);
        var salt = header.AsSpan(FixedBytes + id.Length, SaltBytes);
        RandomNumberGenerator.Fill(salt);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(header.Length - sizeof(uint)), ChunkBytes);
        return new EncryptedFormat(header, key, salt);
    }

    /// <summary>Reads the header of a file up to its first chunk.</summary>
    /// <param name="source">The file.</param>
    /// <param name="find">Finds the key by its id, or throws.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="CorruptCompressedDataException">It is no header of this format.</exception>
    public static async Task<EncryptedFormat> ReadAsync(Stream source, Func<string, WalEncryptionKey> find, CancellationToken cancellationToken)
    {
        var fixedPart = await ReadExactlyAsync(source, FixedBytes, cancellationToken).ConfigureAwait(false);
        var idBytes = BinaryPrimitives.ReadUInt16LittleEndian(fixedPart.AsSpan(6));
        if (!Matches(fixedPart) || fixedPart[4] != Version || fixedPart[5] != Aes256Gcm || idBytes is 0 or > LongestId)
            throw new CorruptCompressedDataException(Name, "its header is not one of version 1");
        var rest = await ReadExactlyAsync(source, idBytes + SaltBytes + sizeof(uint), cancellationToken).ConfigureAwait(false);
        if (BinaryPrimitives.ReadUInt32LittleEndian(rest.AsSpan(idBytes + SaltBytes)) != ChunkBytes)
            throw new CorruptCompressedDataException(Name, $"its chunks are not of '{ChunkBytes}' bytes");
        return new EncryptedFormat([.. fixedPart, .. rest], find(Encoding.UTF8.GetString(rest, 0, idBytes)), rest.AsSpan(idBytes, SaltBytes));
    }

    /// <summary>Encrypts the next chunk; the tag follows it.</summary>
    public void Seal(ReadOnlySpan<byte> chunk, Span<byte> target, bool isLast)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        WriteNonce(nonce, _counter, isLast);
        _cipher.Encrypt(nonce, chunk, target[..chunk.Length], target.Slice(chunk.Length, TagBytes), Header);
        _counter = checked(_counter + 1);
    }

    /// <summary>Decrypts the next chunk with its tag.</summary>
    /// <exception cref="CorruptCompressedDataException">It is not the chunk that belongs here.</exception>
    public void Open(ReadOnlySpan<byte> stored, Span<byte> target, bool isLast)
    {
        if (stored.Length < TagBytes || !TryOpen(stored, target, isLast))
            throw new CorruptCompressedDataException(
                Name,
                stored.Length >= TagBytes && TryOpen(stored, target, !isLast)
                    ? (isLast ? "it ends before its last chunk" : "bytes follow its last chunk")
                    : $"chunk '{_counter}' is damaged, or not the one that belongs here");
        _counter = checked(_counter + 1);
    }

    public void Dispose() => _cipher.Dispose();

    private bool TryOpen(ReadOnlySpan<byte> stored, Span<byte> target, bool isLast)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        WriteNonce(nonce, _counter, isLast);
        var length = stored.Length - TagBytes;
        try
        {
            _cipher.Decrypt(nonce, stored[..length], stored[length..], target[..length], Header);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    private static void WriteNonce(Span<byte> nonce, uint counter, bool isLast)
    {
        nonce.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(nonce[7..], counter);
        nonce[11] = isLast ? (byte)1 : (byte)0;
    }

    private static async Task<byte[]> ReadExactlyAsync(Stream source, int count, CancellationToken cancellationToken)
    {
        var bytes = new byte[count];
        return await source.ReadAtLeastAsync(bytes, count, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) == count
            ? bytes
            : throw new CorruptCompressedDataException(Name, "it ends in its header");
    }
}
