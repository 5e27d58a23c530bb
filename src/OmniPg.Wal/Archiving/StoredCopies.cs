using System.IO.Hashing;
using System.Security.Cryptography;

namespace OmniPg.Wal;

/// <summary>Finds copies that are there already and compares them by content.</summary>
internal static class StoredCopies
{
    private const int PieceBytes = 64 * 1024;

    /// <summary>Looks for the file under its own key and, where looking is cheap, under the names that other codecs gave it.</summary>
    public static async Task<(string Key, Codec Codec)?> FindAsync(
        IObjectStore store, ArchiveDestination destination, WalFileName file, CancellationToken cancellationToken)
    {
        var own = (Key: destination.KeyOf(file), Codec: WalObjectKey.CodecFor(file, destination.Layout, destination.Codec));
        var places = store is DirectoryObjectStore
            ? WalObjectKey.Candidates(file, destination.Layout).OrderByDescending(c => c.Key == own.Key)
            : (IEnumerable<(string Key, Codec Codec)>)[own];
        foreach (var place in places)
            if (await store.StatAsync(place.Key, cancellationToken).ConfigureAwait(false) is not null)
                return place;
        return null;
    }

    /// <summary>
    /// Compares a stored copy with the file's content, byte by byte unless the store itself keeps hash and size of what was written. What it is compressed with is told by its
    /// first bytes: somebody may have renamed it.
    /// </summary>
    /// <exception cref="WalConflictException">It holds something else, or nothing that can be read.</exception>
    /// <exception cref="WalInputException">The file is no longer the one whose content was read.</exception>
    public static async Task RequireEqualAsync(
        ArchiveDestination destination, (string Key, Codec Codec) place, WalFileName file, string path, ObjectContent content, CancellationToken cancellationToken)
    {
        var store = destination.Store!;
        if (await store.StatAsync(place.Key, cancellationToken).ConfigureAwait(false) is { Content: { } known }
            && (known.Xxh128, known.RawBytes) == (content.Xxh128, content.RawBytes))
            return;
        if (await IsEqualAsync(destination, place.Key, path, content, cancellationToken).ConfigureAwait(false))
            return;
        var stored = await StoredSha256Async(destination, place.Key, content.RawBytes, cancellationToken).ConfigureAwait(false);
        throw new WalConflictException(file.ToString(), destination.Id, await Sha256Async(path, cancellationToken).ConfigureAwait(false), stored);
    }

    /// <summary>SHA-256 of a file, for what was written by versions that knew no other hash, and for people.</summary>
    public static async Task<string> Sha256Async(string path, CancellationToken cancellationToken)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0, FileOptions.SequentialScan);
        await using var closing = file.ConfigureAwait(false);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken).ConfigureAwait(false));
    }

    private static async Task<bool> IsEqualAsync(ArchiveDestination destination, string key, string path, ObjectContent content, CancellationToken cancellationToken)
    {
        var source = FileCopySource.Open(path);
        await using var closing = source.ConfigureAwait(false);
        var stored = await OpenAsync(destination, key, cancellationToken).ConfigureAwait(false);
        await using var decoding = stored.ConfigureAwait(false);
        var (here, there) = (new byte[PieceBytes], new byte[PieceBytes]);
        var hash = new XxHash128();
        long length = 0;
        var isEqual = true;
        for (int count; (count = await source.ReadAsync(here, cancellationToken).ConfigureAwait(false)) > 0; length += count)
        {
            hash.Append(here.AsSpan(0, count));
            isEqual = isEqual && await ReadAsync(stored, there.AsMemory(0, count), cancellationToken).ConfigureAwait(false) == count
                && here.AsSpan(0, count).SequenceEqual(there.AsSpan(0, count));
        }

        // The copy was compared with these bytes, the segment was validated and goes elsewhere as those that were read before.
        if ((length, Convert.ToHexStringLower(hash.GetCurrentHash())) is var now && now != (content.RawBytes, content.Xxh128))
            throw WalInputException.Changed(path, $"{content.RawBytes} bytes with XXH128 {content.Xxh128}", $"{now.Item1} bytes with XXH128 {now.Item2}");
        return isEqual && await ReadAsync(stored, there.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) == 0;
    }

    // What cannot be decoded equals nothing; why it cannot, the conflict tells.
    private static async Task<int> ReadAsync(Stream stored, Memory<byte> piece, CancellationToken cancellationToken)
    {
        try
        {
            return await stored.ReadAtLeastAsync(piece, piece.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        }
        catch (CorruptCompressedDataException)
        {
            return -1;
        }
    }

    private static async Task<string> StoredSha256Async(ArchiveDestination destination, string key, long expectedBytes, CancellationToken cancellationToken)
    {
        var stored = await OpenAsync(destination, key, cancellationToken).ConfigureAwait(false);
        await using var decoding = stored.ConfigureAwait(false);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new byte[PieceBytes];
        long length = 0;
        try
        {
            for (int count; (count = await stored.ReadAsync(piece, cancellationToken).ConfigureAwait(false)) > 0; hash.AppendData(piece, 0, count))
            {
                // Whatever follows, the contents differ; a hostile file may expand for ever.
                if ((length += count) > expectedBytes)
                    return $"unreadable: It holds more than '{expectedBytes}' bytes.";
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        catch (CorruptCompressedDataException damage)
        {
            return $"unreadable: {damage.Message}";
        }
    }

    private static async Task<Stream> OpenAsync(ArchiveDestination destination, string key, CancellationToken cancellationToken) =>
        await WalContent.OpenReadAsync(destination.Store!, key, cancellationToken).ConfigureAwait(false)
            ?? throw new FileNotFoundException($"'{key}' vanished from '{destination.Id}' while it was compared.");
}
