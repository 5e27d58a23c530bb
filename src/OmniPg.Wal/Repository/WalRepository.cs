using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>An archive as a whole: what is in it, whether it is whole, to which moment it can restore, and removal of what is not needed any more.</summary>
/// <remarks>
/// Thread-safe; keeps nothing between calls, so every call sees the archive as it is then. Every member throws <see cref="WalArchiveAbsentException"/> where
/// there is neither a marker nor an archived file, because that is what storage looks like that is not mounted; and when the storage is unmounted before
/// the member ends.
/// </remarks>
public sealed class WalRepository
{
    private readonly IObjectStore _store;
    private readonly ILogger _log;

    /// <summary>Makes a repository over a store.</summary>
    /// <param name="store">A store that can be listed and read, and deleted from for cleanup. Not disposed.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    public WalRepository(IObjectStore store, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        _store = store;
        _log = loggerFactory?.CreateLogger<WalRepository>() ?? NullLogger<WalRepository>.Instance;
    }

    /// <summary>Lists the WAL files, in no particular order.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The files; what is no WAL file is left out.</returns>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async IAsyncEnumerable<WalArchivedFile> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var presence = await ArchivePresence.BeginAsync(_store, cancellationToken).ConfigureAwait(false);
        await foreach (var entry in _store.ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (WalArchivedFile.TryParse(entry) is { } file)
                yield return file;
        }

        await presence.RequireAsync(null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads every file to its end, checks the chain of records over all segments, and looks for gaps.</summary>
    /// <param name="options">How; null takes the defaults.</param>
    /// <param name="progress">Told after every file; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>What was found. Invalid files are results, not exceptions.</returns>
    /// <exception cref="WalArchiveMismatchException">The archive, or the receiver's directory, is another cluster's than <see cref="WalVerifyOptions.Server"/>.</exception>
    /// <exception cref="WalArchiveAbsentException">The receiver's directory is not begun, or not mounted.</exception>
    /// <exception cref="WalServerException">That server cannot be asked, or does not tell this role what waits.</exception>
    /// <exception cref="CodecUnavailableException">The program of a file's codec is missing.</exception>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<WalVerifyResult> VerifyAsync(
        WalVerifyOptions? options = null, IProgress<WalScanProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options = OptionsCheck.Require(options ?? new WalVerifyOptions());
        // Before the list: what it calls archived has to be there.
        var server = options.Server is null ? null : await ArchivingServer.RequireAsync(options.Server, options.ReceiverDirectory is not null, cancellationToken).ConfigureAwait(false);
        server = server is null ? null : await server.WithReceivedAsync(options.ReceiverDirectory, cancellationToken).ConfigureAwait(false);
        var map = await ArchiveMap.LoadAsync(_store, cancellationToken, server?.SystemIdentifier).ConfigureAwait(false);
        server = server is null ? null : await server.WithProgressAsync(options.Server!, cancellationToken).ConfigureAwait(false);
        return await new ArchiveVerifier(_store, map, server, options, progress).RunAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What each timeline has.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>One entry per timeline that has segments or a history, oldest first.</returns>
    /// <exception cref="CodecUnavailableException">The program of a file's codec is missing.</exception>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<IReadOnlyList<WalTimeline>> GetTimelinesAsync(CancellationToken cancellationToken = default) =>
        (await ArchiveMap.LoadAsync(_store, cancellationToken).ConfigureAwait(false)).Timelines();

    /// <summary>From when to when the archive can restore. Reads only as many segments as it takes to find the first and the last commit.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The window of the newest timeline; its times are null when no commit is archived.</returns>
    /// <exception cref="CodecUnavailableException">The program of a file's codec is missing.</exception>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<RecoveryWindow> GetRecoveryWindowAsync(CancellationToken cancellationToken = default)
    {
        var map = await ArchiveMap.LoadAsync(_store, cancellationToken).ConfigureAwait(false);
        return await new WindowFinder(_store, map).FindAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Finds named restore points, by timeline and position. Reads all segments; those that are damaged are passed over.</summary>
    /// <param name="progress">Told after every segment; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The restore points as they are found.</returns>
    /// <exception cref="CodecUnavailableException">The program of a file's codec is missing.</exception>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async IAsyncEnumerable<WalRestorePoint> GetRestorePointsAsync(
        IProgress<WalScanProgress>? progress = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var map = await ArchiveMap.LoadAsync(_store, cancellationToken).ConfigureAwait(false);
        var total = map.Segments.Values.Sum(static t => (long)t.Count);
        var (done, bytes) = (0L, 0L);
        foreach (var segments in map.Segments.Values)
        {
            // One that began in the segment before is found because the chain is carried on.
            WalChainState? previous = null;
            foreach (var copies in segments.Values)
            {
                var points = new List<WalRestorePoint>();
                var read = await ReadRestorePointsAsync(copies, previous, points, cancellationToken).ConfigureAwait(false);
                (previous, bytes) = (read?.Next, bytes + (read?.Bytes ?? 0));
                progress?.Report(new WalScanProgress(++done, total, bytes, copies[0].Name));
                foreach (var point in points)
                    yield return point;
            }
        }

        await map.RequireStillThereAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes what lies before a file, oldest first; never a timeline history. The original's <c>omnipitr-cleanup</c>.</summary>
    /// <param name="keepFrom">The first file to keep (<c>%r</c>); a backup history file or a partial segment stands for its segment.</param>
    /// <param name="options">What may be removed; null takes the defaults.</param>
    /// <param name="cancellationToken">Cancels; what was removed stays removed.</param>
    /// <returns>What was removed.</returns>
    /// <exception cref="IOException">The archive cannot be listed, or a file cannot be removed; what was removed stays removed.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not remove from the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Task<CleanupResult> CleanupAsync(WalFileName keepFrom, CleanupOptions? options = null, CancellationToken cancellationToken = default) =>
        new WalCleaner(_store, OptionsCheck.Require(options ?? new CleanupOptions()), _log).RunAsync(keepFrom, cancellationToken);

    // Reads the first copy of a segment that is valid to its end.
    private async Task<WalValidationResult?> ReadRestorePointsAsync(
        List<WalArchivedFile> copies, WalChainState? previous, List<WalRestorePoint> points, CancellationToken cancellationToken)
    {
        foreach (var copy in copies)
        {
            points.Clear();
            try
            {
                if (await ReadRestorePointsAsync(copy, previous, points, cancellationToken).ConfigureAwait(false) is { } read)
                    return read;
            }
            catch (Exception e) when (e is WalValidationException or CorruptCompressedDataException)
            {
                WalLog.PassedOver(_log, copy.Key, e.Message);
            }
        }

        return null;
    }

    private async Task<WalValidationResult?> ReadRestorePointsAsync(
        WalArchivedFile file, WalChainState? previous, List<WalRestorePoint> points, CancellationToken cancellationToken)
    {
        var content = await WalContent.OpenReadAsync(_store, file.Key, cancellationToken).ConfigureAwait(false);
        if (content is null)
            return null;
        await using (content.ConfigureAwait(false))
        {
            WalValidationResult? read = null;
            var options = new WalReadOptions
            {
                Name = file.Name,
                Expectations = new WalExpectations { Previous = previous, AllowUnknownVersion = true },
                OnSegmentEnd = s => read = s,
            };
            await foreach (var record in WalSegmentReader.ReadAsync(content, options, cancellationToken).ConfigureAwait(false))
            {
                if (record.Detail is WalRestorePoint point)
                    points.Add(point);
            }

            return read;
        }
    }
}
