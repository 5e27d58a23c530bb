namespace OmniPg.Wal.Archiving;

/// <summary>Makes sure that an archive belongs to the cluster before anything is written into it.</summary>
internal sealed class ClusterBinding(PgControlFile cluster, ArchiveBinding binding, TimeProvider time)
{
    /// <exception cref="WalArchiveMismatchException">It belongs to another cluster, or cannot prove to which.</exception>
    public async Task EnsureAsync(ArchiveDestination destination, CancellationToken cancellationToken)
    {
        // At every call: disks are swapped and clusters restored in place under a process that lives for months.
        if (!destination.IsBound)
            return;
        var store = destination.Store;
        var wanted = MarkerFor(destination);
        if (await WalArchiveMarker.ReadAsync(store, cancellationToken).ConfigureAwait(false) is not { } found)
        {
            if (destination.IsProven)
                throw new DirectoryNotFoundException($"The marker '{WalArchiveMarker.Key}' has vanished from '{store.Id}'. Is the archive still mounted?");
            await RequireEmptyAsync(store, cancellationToken).ConfigureAwait(false);
            // Two clusters may begin the archive at the same time: the store lets one marker through, and the loser compares with it.
            found = await wanted.WriteAsync(store, cancellationToken).ConfigureAwait(false)
                ? wanted
                : await WalArchiveMarker.ReadAsync(store, cancellationToken).ConfigureAwait(false) ?? wanted;
        }

        if (!await AdoptedAsync(store, found, wanted, cancellationToken).ConfigureAwait(false))
            Compare(store.Id, found, wanted);
        destination.IsProven = true;
    }

    private static void Compare(string store, WalArchiveMarker found, WalArchiveMarker wanted)
    {
        if (found.SystemIdentifier != wanted.SystemIdentifier)
            throw WalArchiveMismatchException.OtherCluster(store, "system identifier", found.SystemIdentifier, wanted.SystemIdentifier);
        if (found.WalSegmentSize != wanted.WalSegmentSize)
            throw WalArchiveMismatchException.OtherCluster(store, "segment size", found.WalSegmentSize, wanted.WalSegmentSize);
        if (found.PgVersion != wanted.PgVersion)
            throw WalArchiveMismatchException.OtherCluster(store, "PostgreSQL version", found.PgVersion, wanted.PgVersion);
        if (found.Layout != wanted.Layout)
            throw WalArchiveMismatchException.OtherCluster(store, "layout", found.Layout, wanted.Layout);
    }

    private async Task<bool> AdoptedAsync(IWalStore store, WalArchiveMarker found, WalArchiveMarker wanted, CancellationToken cancellationToken)
    {
        if (binding != ArchiveBinding.Adopt || found with { Created = wanted.Created } == wanted)
            return false;
        // Stores never replace. A crash between the two calls leaves an archive without a marker, which refuses every cluster until it is adopted again.
        await store.DeleteAsync(WalArchiveMarker.Key, cancellationToken).ConfigureAwait(false);
        return await wanted.WriteAsync(store, cancellationToken).ConfigureAwait(false);
    }

    private async Task RequireEmptyAsync(IWalStore store, CancellationToken cancellationToken)
    {
        if (binding == ArchiveBinding.Adopt || !store.Capabilities.HasFlag(WalStoreCapabilities.Listable))
            return;
        await foreach (var entry in store.ListAsync("", cancellationToken).ConfigureAwait(false))
            if (entry.Key != WalArchiveMarker.Key)
                throw WalArchiveMismatchException.NotEmpty(store.Id, entry.Key);
    }

    private WalArchiveMarker MarkerFor(ArchiveDestination destination) => new()
    {
        SystemIdentifier = cluster.SystemIdentifier,
        PgVersion = cluster.PgMajor ?? 0,
        WalSegmentSize = cluster.SegmentSize,
        Layout = destination.Layout,
        Created = time.GetUtcNow(),
    };
}
