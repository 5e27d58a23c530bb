namespace OmniPg.Wal;

/// <summary>Finds copies that are there already and compares them by content.</summary>
internal sealed class StoredCopies(WalCopier copier)
{
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

    /// <summary>Compares a stored copy with the file's content. What it is compressed with is told by its first bytes: somebody may have renamed it.</summary>
    /// <exception cref="WalConflictException">It holds something else, or nothing that can be read.</exception>
    public async Task RequireEqualAsync(
        ArchiveDestination destination, (string Key, Codec Codec) place, WalFileName file, ObjectContent content, CancellationToken cancellationToken)
    {
        var stored = await DigestAsync(destination, place, content.RawBytes, cancellationToken).ConfigureAwait(false);
        if (stored != content.Sha256)
            throw new WalConflictException(file.ToString(), destination.Id, content.Sha256, stored);
    }

    private async Task<string> DigestAsync(
        ArchiveDestination destination, (string Key, Codec Codec) place, long expectedBytes, CancellationToken cancellationToken)
    {
        var store = destination.Store!;
        if (await store.StatAsync(place.Key, cancellationToken).ConfigureAwait(false) is { Sha256: { } known })
            return known;
        var decoder = await WalContent.OpenReadAsync(store, place.Key, cancellationToken).ConfigureAwait(false)
            ?? throw new FileNotFoundException($"'{place.Key}' vanished from '{destination.Id}' while it was compared.");
        await using var decoding = decoder.ConfigureAwait(false);
        try
        {
            var request = new CopyRequest
            {
                Source = new StreamCopySource(decoder),
                Targets = [],
                OnRead = read => ThrowIfLonger(read, expectedBytes),
            };
            return (await copier.CopyAsync(request, cancellationToken).ConfigureAwait(false)).Content.Sha256;
        }
        catch (Exception damage) when (damage is CorruptCompressedDataException or InvalidDataException)
        {
            return $"unreadable: {damage.Message}";
        }
    }

    // Whatever follows, the contents differ; a hostile file may expand for ever.
    private static void ThrowIfLonger(long read, long expected)
    {
        if (read > expected)
            throw new InvalidDataException($"It holds more than '{expected}' bytes.");
    }
}
