using System.Globalization;
using System.Text;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Makes sure that an archive is there and belongs to the cluster before anything is written into it.</summary>
/// <remarks>
/// A cluster that has archived before, or may have, begins none by itself: an archive that is not there is then storage that is not mounted. Known from
/// the server's own <c>.done</c> files, and from <c>STATE/SYSTEMIDENTIFIER.archived</c>. Where both are missing, only WAL that reaches back to the first
/// segment proves that nothing was archived: a checkpoint removes a <c>.done</c> file together with its segment (<c>RemoveXlogFile</c>, xlog.c), and
/// the first segment is the first to be archived.
/// </remarks>
internal sealed class ClusterBinding(PgControlFile cluster, WalArchiveOptions options, TimeProvider time)
{
    // What initdb itself writes ends before it, so that with segments below 16 MiB the first ones are gone before a server has started.
    private const ulong EndOfInitDb = 32 << 20;

    private readonly WalSegmentSize _size = WalSegmentSize.FromBytes(cluster.SegmentSize);
    private readonly string? _record = options.StateDirectory is { } state
        ? Path.Combine(state, string.Create(CultureInfo.InvariantCulture, $"{cluster.SystemIdentifier}.archived"))
        : null;

    /// <summary>Looks whose archive it is; changes nothing.</summary>
    /// <returns>What makes it this cluster's, to be called when a file was found good; null when it is this cluster's already.</returns>
    /// <exception cref="WalArchiveMismatchException">It belongs to another cluster, or cannot prove to which.</exception>
    /// <exception cref="WalArchiveAbsentException">It was there before, or another one was, and nobody asked for a new one.</exception>
    public async Task<Func<CancellationToken, Task>?> CheckAsync(ArchiveDestination destination, CancellationToken cancellationToken)
    {
        // At every call: disks are swapped and clusters restored in place under a process that lives for months.
        if (!destination.IsBound)
            return null;
        var store = destination.Store;
        var wanted = MarkerFor(destination);
        var found = await WalArchiveMarker.ReadAsync(store, cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            var entry = await FirstEntryAsync(store, cancellationToken).ConfigureAwait(false);
            // Between the two looks another call may have begun the archive and stored into it.
            if (entry is not null)
                found = await WalArchiveMarker.ReadAsync(store, cancellationToken).ConfigureAwait(false);
            if (found is null)
            {
                RequireMayBegin(destination, entry);
                return token => BeginAsync(destination, wanted, token);
            }
        }

        if (options.Binding == ArchiveBinding.Adopt && found with { Created = wanted.Created } != wanted)
            return token => AdoptAsync(destination, wanted, token);
        Compare(store.Id, found, wanted);
        destination.IsProven = true;
        return null;
    }

    /// <summary>Begins an archive on request, of a destination that <see cref="ArchiveDestination.IsBound"/>; one that is there stays as it is.</summary>
    /// <exception cref="WalArchiveMismatchException">It belongs to another cluster, or holds files but no marker.</exception>
    /// <exception cref="WalDestinationException">The store failed.</exception>
    public async Task<WalArchiveMarker> BeginAsync(ArchiveDestination destination, CancellationToken cancellationToken)
    {
        try
        {
            var wanted = MarkerFor(destination);
            var found = await WalArchiveMarker.ReadAsync(destination.Store!, cancellationToken).ConfigureAwait(false);
            if (found is null)
            {
                if (await FirstEntryAsync(destination.Store!, cancellationToken).ConfigureAwait(false) is { } entry)
                    throw WalArchiveMismatchException.NotEmpty(destination.Store!.Id, entry);
                await BeginAsync(destination, wanted, cancellationToken).ConfigureAwait(false);
                return wanted;
            }

            Compare(destination.Store!.Id, found, wanted);
            return found;
        }
        catch (Exception error) when (error is not (OperationCanceledException or WalException))
        {
            throw WalDestinationException.Failed(destination.Id, WalArchiveMarker.Key, error);
        }
    }

    /// <summary>Keeps the knowledge that the cluster has archived, once every required destination holds a file. For people the record says what came first.</summary>
    public async Task RememberAsync(WalFileName file, CancellationToken cancellationToken)
    {
        if (_record is null || FileStat.TryGet(_record, out _))
            return;
        var text = string.Create(CultureInfo.InvariantCulture, $"{file} archived {time.GetUtcNow():u}\n");
        await DurableFile.WriteAllBytesAsync(_record, Encoding.UTF8.GetBytes(text), cancellationToken).ConfigureAwait(false);
    }

    private static void Compare(string store, WalArchiveMarker found, WalArchiveMarker wanted)
    {
        if (found.SystemIdentifier != wanted.SystemIdentifier)
            throw WalArchiveMismatchException.OtherCluster(store, "system identifier", found.SystemIdentifier, wanted.SystemIdentifier);
        if (found.WalSegmentSize != wanted.WalSegmentSize)
            throw WalArchiveMismatchException.OtherCluster(store, "segment size", found.WalSegmentSize, wanted.WalSegmentSize);
        // 0 was written where nobody knew it.
        if (found.PgVersion != wanted.PgVersion && found.PgVersion != 0 && wanted.PgVersion != 0)
            throw WalArchiveMismatchException.OtherCluster(store, "PostgreSQL version", found.PgVersion, wanted.PgVersion);
        if (found.Layout != wanted.Layout)
            throw WalArchiveMismatchException.OtherCluster(store, "layout", found.Layout, wanted.Layout);
    }

    private static async Task BeginAsync(ArchiveDestination destination, WalArchiveMarker wanted, CancellationToken cancellationToken)
    {
        // Two clusters may begin the archive at the same time: the store lets one marker through, and the loser compares with it.
        if (!await wanted.WriteAsync(destination.Store!, cancellationToken).ConfigureAwait(false))
        {
            var winner = await WalArchiveMarker.ReadAsync(destination.Store!, cancellationToken).ConfigureAwait(false);
            Compare(destination.Store!.Id, winner ?? throw WalArchiveAbsentException.Nothing(destination.Store!.Id), wanted);
        }

        destination.IsProven = true;
    }

    // Stores never replace. A crash between the two calls leaves an archive without a marker, which refuses every cluster until it is adopted again.
    private static async Task AdoptAsync(ArchiveDestination destination, WalArchiveMarker wanted, CancellationToken cancellationToken)
    {
        await destination.Store!.DeleteAsync(WalArchiveMarker.Key, cancellationToken).ConfigureAwait(false);
        await BeginAsync(destination, wanted, cancellationToken).ConfigureAwait(false);
    }

    private void RequireMayBegin(ArchiveDestination destination, string? entry)
    {
        var store = destination.Store!.Id;
        if (entry is not null)
        {
            if (options.Binding != ArchiveBinding.Adopt)
                throw WalArchiveMismatchException.NotEmpty(store, entry);
            return;
        }

        if (options.Binding == ArchiveBinding.Begin)
            return;
        var evidence = destination.IsProven ? "has archived before: this process has seen its marker" : EvidenceOfArchiving();
        if (evidence is not null)
            throw WalArchiveAbsentException.NotBegun(store, options.DataDirectory, evidence);
    }

    // What speaks for it, as the end of a sentence about the cluster; null when it has certainly archived nothing. Throws IOException where it cannot be told.
    private string? EvidenceOfArchiving()
    {
        // The name says it all, so that damage to the content cannot make it say less.
        if (_record is not null && FileStat.TryGet(_record, out _))
            return $"has archived before: '{_record}'";
        var wal = Path.Combine(options.DataDirectory, "pg_wal");
        var status = Path.Combine(wal, "archive_status");
        if (FileStat.TryGet(Path.Combine(status, "."), out _) && Directory.EnumerateFiles(status, "*.done").FirstOrDefault() is { } done)
            return $"has archived before: '{done}'";
        // A receiver sees the server's WAL only from where it began.
        return !FileStat.TryGet(Path.Combine(wal, "."), out _) ? $"may have archived before: there is no '{wal}'"
            : OldestSegment(wal) is not { } oldest ? $"may have archived before: there is no WAL file in '{wal}'"
            : oldest.SegmentNumber(_size) > 1 && (ulong)oldest.StartLsn(_size) >= EndOfInitDb ? $"may have archived before: its oldest WAL file is '{oldest}'"
            : null;
    }

    private WalFileName? OldestSegment(string wal)
    {
        WalFileName? oldest = null;
        foreach (var path in Directory.EnumerateFiles(wal))
        {
            if (WalFileName.TryParse(Path.GetFileName(path), out var name) && name.Kind == WalFileKind.Segment && name.Fits(_size) && !(oldest?.Position <= name.Position))
                oldest = name;
        }

        return oldest;
    }

    private static async Task<string?> FirstEntryAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        await foreach (var entry in store.ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
            if (entry.Key != WalArchiveMarker.Key)
                return entry.Key;
        return null;
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
