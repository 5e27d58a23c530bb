using System.Globalization;
using System.Text;

namespace OmniPg.Wal;

/// <summary>
/// What waits to be archived, and its limit: behind it segments are given up, and so the server's disk does not fill. That a segment was is kept in the state directory until every required archive has taken
/// note of it (<see cref="DroppedWal"/>).
/// </summary>
internal sealed class ArchiveQueue(WalArchiveOptions options, TimeProvider time) : IDisposable
{
    private const string ReadySuffix = ".ready";
    private const string DroppedSuffix = ".dropped";
    // Files are archived side by side: behind one that is about to tell, another one would take it for told, and remove what was kept.
    private readonly SemaphoreSlim _telling = new(1, 1);
    private readonly HashSet<(WalFileName Segment, string Destination)> _told = [];

    /// <summary>Whether more WAL waits than may.</summary>
    /// <param name="cluster">The cluster; null when it has no control file, and then nothing is given up.</param>
    public bool IsOver(PgControlFile? cluster)
    {
        if (options.QueueLimit is not { } limit || cluster is null)
            return false;
        var status = Path.Combine(options.DataDirectory, "pg_wal", "archive_status");
        if (!Directory.Exists(status))
            return false;
        var waiting = Directory.EnumerateFiles(status, "*" + ReadySuffix)
            .LongCount(static path => WalFileName.TryParse(Path.GetFileName(path.AsSpan())[..^ReadySuffix.Length], out var name) && name.Kind == WalFileKind.Segment);
        return waiting * cluster.SegmentSize > limit;
    }

    /// <summary>Keeps that a segment is given up; durable before the server may remove it.</summary>
    public Task DropAsync(WalFileName segment, CancellationToken cancellationToken)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{{\"dropped\":\"{time.GetUtcNow():O}\",\"queueLimit\":{options.QueueLimit}}}\n");
        return DurableFile.WriteAllBytesAsync(Path.Combine(options.StateDirectory!, segment + DroppedSuffix), Encoding.UTF8.GetBytes(text), cancellationToken);
    }

    /// <summary>Tells the archives of the segments that were given up since they last heard of it.</summary>
    /// <exception cref="WalDestinationException">A required one did not take a record; it is told again behind the next file.</exception>
    public async Task TellAsync(IEnumerable<ArchiveDestination> destinations, CancellationToken cancellationToken)
    {
        if (options.StateDirectory is not { } state)
            return;
        var kept = Directory.EnumerateFiles(state, "*" + DroppedSuffix).ToList();
        if (kept.Count == 0)
            return;
        await _telling.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            foreach (var path in kept.Where(File.Exists))
                await TellAsync(path, destinations, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _telling.Release();
        }
    }

    public void Dispose() => _telling.Dispose();

    private async Task TellAsync(string path, IEnumerable<ArchiveDestination> destinations, CancellationToken cancellationToken)
    {
        if (!WalFileName.TryParse(Path.GetFileNameWithoutExtension(path), out var segment))
            return;
        var record = await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false);
        var isTold = true;
        foreach (var destination in destinations.Where(static d => d.IsRequired))
        {
            // One that is away hears of it when it is back: until then the record is kept.
            isTold &= destination.IsActive;
            if (destination.Store is not { } store || !destination.IsActive || _told.Contains((segment, destination.StateId)))
                continue;
            await SmallObject.WriteAsync(store, DroppedWal.KeyOf(segment), record, cancellationToken).ConfigureAwait(false);
            _told.Add((segment, destination.StateId));
        }

        if (isTold)
            File.Delete(path);
    }
}
