using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>The directory of one receiver: whose it is, how far it reaches, what lies complete in it.</summary>
internal sealed class ReceivedFiles : IDisposable
{
    public const string LockName = ".omnipg-receive.lock";

    private readonly FileLock _lock;

    private ReceivedFiles(string path, FileLock held) => (Path, _lock) = (path, held);

    public string Path { get; }

    /// <summary>Takes the directory for this process.</summary>
    /// <exception cref="WalReceiveException">It is none, or may not be written.</exception>
    /// <exception cref="WalLockedException">Another receiver has it.</exception>
    public static ReceivedFiles Open(string path)
    {
        var lockPath = System.IO.Path.Combine(path, LockName);
        try
        {
            // Never made: the directory below storage that is not mounted would be made as well.
            var held = FileLock.TryAcquireForProcess(lockPath) ?? throw new WalLockedException(lockPath, FileLock.ReadProcess(lockPath));
            return new ReceivedFiles(path, held);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalReceiveException.Directory(path, refused.Message.TrimEnd('.'), "Make the directory and give it to the account of the receiver.", refused);
        }
    }

    /// <summary>Binds the directory to a cluster: by its marker, or by a new one where it may be begun.</summary>
    /// <param name="cluster">The server's identity.</param>
    /// <param name="options">The slot's name, and whether a directory is begun on request; then also one that pg_receivewal has filled.</param>
    /// <param name="usedUpTo">Where a slot that was used before has arrived; null for a new one.</param>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="WalArchiveMismatchException">It is another cluster's.</exception>
    /// <exception cref="WalReceiveException">It is empty where it should not be.</exception>
    public async Task BindAsync(PgControlFile cluster, WalReceiverOptions options, NpgsqlLogSequenceNumber? usedUpTo, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var store = new DirectoryObjectStore(Path);
        var found = await WalArchiveMarker.ReadAsync(store, cancellationToken).ConfigureAwait(false);
        if (found is null && !options.Begin && usedUpTo is { } restart && !Names().Any())
            throw WalReceiveException.NotBegun(Path, options.Slot, restart);
        if (found is null)
        {
            // What was there is compared with the cluster when receiving goes on behind it.
            if (!options.Begin && Names().FirstOrDefault() is { Timeline: > 0 } stray)
                throw WalArchiveMismatchException.NotEmpty(store.Id, stray.ToString());
            found = new WalArchiveMarker { SystemIdentifier = cluster.SystemIdentifier, PgVersion = cluster.PgMajor ?? 0, WalSegmentSize = cluster.SegmentSize, Created = now };
            await found.WriteAsync(store, cancellationToken).ConfigureAwait(false);
        }

        if (found.SystemIdentifier != cluster.SystemIdentifier)
            throw WalArchiveMismatchException.OtherCluster(store.Id, "system identifier", found.SystemIdentifier, cluster.SystemIdentifier);
        if (found.WalSegmentSize != cluster.SegmentSize)
            throw WalArchiveMismatchException.OtherCluster(store.Id, "segment size", found.WalSegmentSize, cluster.SegmentSize);
    }

    /// <summary>Where receiving goes on: behind the last complete segment, or at the start of a partial one that lies further.</summary>
    /// <returns>Null when there is nothing yet.</returns>
    public (uint Timeline, ulong Lsn)? FindPosition(WalSegmentSize size)
    {
        (ulong Lsn, uint Timeline)? best = null;
        foreach (var name in Names().Where(n => n.Kind is WalFileKind.Segment or WalFileKind.Partial && n.Fits(size)))
        {
            var start = (ulong)name.StartLsn(size) + (name.Kind == WalFileKind.Segment ? (uint)size.Bytes : 0u);
            // Where two timelines meet in a segment, the newer one goes on.
            if (best is not { } b || (start, name.Timeline).CompareTo((b.Lsn, b.Timeline)) > 0)
                best = (start, name.Timeline);
        }

        return best is { } found ? (found.Timeline, found.Lsn) : null;
    }

    /// <summary>Complete segments and histories, in the order in which they are delivered: histories first.</summary>
    public IReadOnlyList<WalFileName> Complete() =>
        [.. Names().Where(static n => n.Kind is WalFileKind.Segment or WalFileKind.TimelineHistory).OrderBy(static n => n.Position).ThenBy(static n => n.Timeline)];

    public string PathOf(WalFileName name) => System.IO.Path.Combine(Path, name.ToString());

    /// <summary>How the complete segment before a position ends, so that what follows is checked without a seam; null when it has gone.</summary>
    /// <exception cref="WalValidationException">It is damaged.</exception>
    public WalChainState? ChainBefore(uint timeline, ulong lsn, WalSegmentSize size, WalExpectations expectations)
    {
        if (lsn < (uint)size.Bytes)
            return null;
        var name = WalFileName.ForLsn(timeline, new(lsn - 1), size);
        if (!File.Exists(PathOf(name)))
            return null;
        using var file = File.OpenRead(PathOf(name));
        var validator = new WalSegmentValidator(name, WalValidation.Full, expectations);
        var buffer = new byte[64 * 1024];
        for (int count; (count = file.Read(buffer)) > 0;)
            validator.Append(buffer.AsSpan(0, count));
        return validator.Complete().Next;
    }

    /// <summary>Keeps a history, durable before it returns.</summary>
    public Task WriteHistoryAsync(uint timeline, byte[] content, CancellationToken cancellationToken) =>
        DurableFile.WriteAllBytesAsync(PathOf(WalFileName.ForHistory(timeline)), content, cancellationToken);

    public string? ReadHistory(uint timeline) => PathOf(WalFileName.ForHistory(timeline)) is var path && File.Exists(path) ? File.ReadAllText(path) : null;

    public void Dispose() => _lock.Dispose();

    // Only what this receiver writes: a segment under a codec's name belongs to somebody else.
    private IEnumerable<WalFileName> Names()
    {
        foreach (var path in Directory.EnumerateFiles(Path))
            if (WalFileName.TryParse(System.IO.Path.GetFileName(path), out var name))
                yield return name;
    }
}
