using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Wal;

/// <summary>Archives finished WAL files: reads each once, validates it, and returns only when every required destination holds a durable copy.</summary>
/// <remarks>
/// Thread safe; files may be archived side by side. Idempotent: a file that is stored with equal content counts as archived and is not written
/// again. Holds at most 8 buffers of 256 KiB per file under way and 4 per distinct codec. Corresponds to <c>omnipitr-archive</c>.
/// </remarks>
public sealed class WalArchiver : IWalArchiver
{
    // Looking for abandoned temporary files lists a whole directory, so a program that archives one file per process does it now and then only.
    private const int SegmentsBetweenCleanings = 256;
    private readonly ArchiveSetup _setup;
    private bool _disposed;

    /// <summary>Makes an archiver from options.</summary>
    /// <param name="options">What to do; not changed afterwards.</param>
    /// <param name="loggerFactory">Makes the logger; <see langword="null"/> logs nothing.</param>
    /// <param name="timeProvider">Clock; <see langword="null"/> means that of the system.</param>
    /// <param name="progress">Told after each buffer; <see langword="null"/> tells nobody.</param>
    /// <exception cref="WalConfigurationException">Something cannot work; all of it is named.</exception>
    /// <exception cref="CodecUnavailableException">A codec's library or program is missing.</exception>
    public WalArchiver(
        WalArchiveOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null, IProgress<WalProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger<WalArchiver>();
        _setup = new ArchiveSetup(options, new ArchiveLog(logger), timeProvider ?? TimeProvider.System, progress);
    }

    /// <summary>The options it was made with.</summary>
    public WalArchiveOptions Options => _setup.Options;

    internal ArchiveSetup Setup => _setup;

    /// <summary>Begins to set up an archiver.</summary>
    /// <param name="dataDirectory">The cluster's data directory.</param>
    /// <returns>A builder.</returns>
    public static WalArchiverBuilder Create(string dataDirectory)
    {
        ArgumentException.ThrowIfNullOrEmpty(dataDirectory);
        return new WalArchiverBuilder(dataDirectory);
    }

    /// <inheritdoc/>
    public async Task<WalArchiveResult> ArchiveAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!WalFileName.TryParse(Path.GetFileName(path), out var file))
            throw new ArgumentException($"'{path}' is not the path of a WAL file.", nameof(path));
        cancellationToken.ThrowIfCancellationRequested();
        if (file.SegmentPart % SegmentsBetweenCleanings == 0)
            await TryRemoveAbandonedAsync(cancellationToken).ConfigureAwait(false);
        using var call = new ArchiveCall(file);
        var located = Path.Combine(_setup.Options.DataDirectory, path);
        var result = await call.ObserveAsync(new ArchiveRun(_setup, file, located).ExecuteAsync(cancellationToken)).ConfigureAwait(false);
        _setup.Log.Finished(located, result);
        return result.IsArchived ? result : throw new WalDeliveryException(result);
    }

    /// <summary>Begins the archive of every destination that has none yet, although the cluster has archived before. The verb <c>init</c>.</summary>
    /// <param name="cancellationToken">Cancels; a marker is there complete or not at all.</param>
    /// <returns>The marker of each destination that keeps one, in the order of the options; an archive that this cluster had begun keeps its own.</returns>
    /// <exception cref="WalConfigurationException">The data directory is none, or no destination can keep a marker.</exception>
    /// <exception cref="WalArchiveMismatchException">An archive belongs to another cluster, or holds files but no marker.</exception>
    /// <exception cref="WalDestinationException">A destination could not be read or written.</exception>
    public async Task<IReadOnlyList<WalArchiveMarker>> BeginAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var bound = _setup.Destinations.Where(static d => d.IsBound).ToArray();
        if (bound.Length == 0 || _setup.ReadControlFile() is not { } cluster)
            throw new WalConfigurationException("Nothing can be begun: no destination keeps a marker, or there is no pg_control.", "Name a directory or a store that can be read.");
        var markers = new List<WalArchiveMarker>();
        foreach (var destination in bound)
            markers.Add(await new ClusterBinding(cluster, _setup.Options, _setup.Time).BeginAsync(destination, cancellationToken).ConfigureAwait(false));
        return markers;
    }

    /// <summary>Removes temporary files and unfinished uploads that killed processes left in the destinations more than an hour ago.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>How many were removed.</returns>
    public async Task<int> RemoveAbandonedAsync(CancellationToken cancellationToken = default)
    {
        var limit = _setup.Time.GetUtcNow() - TimeSpan.FromHours(1);
        var removed = 0;
        foreach (var store in _setup.Destinations.Select(static d => d.Store).OfType<IObjectStore>())
            removed += await store.RemoveAbandonedAsync(limit, WalObjectKey.Depth, cancellationToken).ConfigureAwait(false);
        return removed;
    }

    // Tidying up must never keep a segment from being archived.
    internal async Task TryRemoveAbandonedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RemoveAbandonedAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception refused)
        {
            _setup.Log.NotTidied(refused.Message);
        }
    }

    /// <summary>Releases what the archiver opened; stores that were handed in stay open.</summary>
    /// <returns>A task that ends when all is released.</returns>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        foreach (var destination in _setup.Destinations.Where(d => _setup.Options.Destinations.All(o => o.Sink != d.Sink)))
            await destination.Sink.DisposeAsync().ConfigureAwait(false);
    }
}
