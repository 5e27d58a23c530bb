namespace OmniPg.Wal;

/// <summary>
/// Proves that a store is an archive and not the empty place below one that is not mounted. Whoever is about to say "not there" asks here, after
/// the look, so that storage which vanishes during the look is noticed.
/// </summary>
internal sealed class ArchivePresence
{
    private readonly IObjectStore _store;
    private readonly string _identity;

    private ArchivePresence(IObjectStore store, string identity) => (_store, _identity) = (store, identity);

    /// <summary>Remembers which place answers now.</summary>
    public static async Task<ArchivePresence> BeginAsync(IObjectStore store, CancellationToken cancellationToken) =>
        new(store, await store.IdentifyAsync(cancellationToken).ConfigureAwait(false));

    /// <summary>Requires that the place is an archive, that it is still the same place, and that no other cluster owns it.</summary>
    /// <param name="systemIdentifier">The cluster that asks; null when any will do.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="WalArchiveAbsentException">There is neither a marker nor an archived file, or another place than at the beginning.</exception>
    /// <exception cref="WalArchiveMismatchException">The marker, or what another tool says of its archive, is another cluster's, or cannot be read and nothing else is there: absence proves nothing.</exception>
    public async Task RequireAsync(ulong? systemIdentifier, CancellationToken cancellationToken)
    {
        WalArchiveMarker? marker = null;
        WalArchiveMismatchException? unreadable = null;
        try
        {
            marker = await WalArchiveMarker.ReadAsync(_store, cancellationToken).ConfigureAwait(false);
        }
        catch (WalArchiveMismatchException damage) when (systemIdentifier is null)
        {
            // Whoever asks for any cluster's archive still gets what is in there; but damage alone proves no archive.
            unreadable = damage;
        }

        if (marker is null && !await HoldsFileAsync(cancellationToken).ConfigureAwait(false))
            throw unreadable ?? (Exception)WalArchiveAbsentException.Nothing(_store.Id);
        if (systemIdentifier is { } own && (marker?.SystemIdentifier ?? await ForeignOwnerAsync(cancellationToken).ConfigureAwait(false)) is { } owner && owner != own)
            throw WalArchiveMismatchException.OtherCluster(_store.Id, "system identifier", owner, own);
        await RequireSamePlaceAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <exception cref="WalArchiveAbsentException">Another place answers than at the beginning.</exception>
    public async Task RequireSamePlaceAsync(CancellationToken cancellationToken)
    {
        var now = await _store.IdentifyAsync(cancellationToken).ConfigureAwait(false);
        if (now != _identity)
            throw WalArchiveAbsentException.Replaced(_store.Id, _identity, now);
    }

    // pgBackRest keeps what was archived before pg_upgrade beside what follows: a segment of the old cluster is absent from that of the new one.
    private async Task<ulong?> ForeignOwnerAsync(CancellationToken cancellationToken) =>
        (_store is EncryptedObjectStore encrypted ? encrypted.Inner : _store) is ForeignArchive foreign ? await foreign.OwnerAsync(cancellationToken).ConfigureAwait(false) : null;

    // An archive of another tool has no marker; one from which anybody recovers is never empty.
    private async Task<bool> HoldsFileAsync(CancellationToken cancellationToken)
    {
        await foreach (var entry in _store.ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
            if (WalArchivedFile.TryParse(entry) is not null)
                return true;
        return false;
    }
}
