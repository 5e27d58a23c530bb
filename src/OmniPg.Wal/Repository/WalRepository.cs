using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Wal;

/// <summary>An archive as a whole: listing, verification, recovery window, restore points, cleanup.</summary>
/// <remarks>Thread-safe; keeps nothing between calls, so every call sees the archive as it is then.</remarks>
public sealed class WalRepository : IWalRepository
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

    /// <inheritdoc/>
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

    /// <inheritdoc/>
    public async Task<WalVerification> VerifyAsync(WalVerifyOptions? options = null, CancellationToken cancellationToken = default)
    {
        var map = await ArchiveMap.LoadAsync(_store, cancellationToken).ConfigureAwait(false);
        return await new ArchiveVerifier(_store, map, options ?? new WalVerifyOptions()).RunAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<WalTimeline>> GetTimelinesAsync(CancellationToken cancellationToken = default) =>
        (await ArchiveMap.LoadAsync(_store, cancellationToken).ConfigureAwait(false)).Timelines();

    /// <inheritdoc/>
    public async Task<RecoveryWindow> GetRecoveryWindowAsync(CancellationToken cancellationToken = default)
    {
        var map = await ArchiveMap.LoadAsync(_store, cancellationToken).ConfigureAwait(false);
        return await new WindowFinder(_store, map).FindAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<RestorePoint> GetRestorePointsAsync(
        IProgress<WalScanProgress>? progress = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var map = await ArchiveMap.LoadAsync(_store, cancellationToken).ConfigureAwait(false);
        await foreach (var point in new RestorePointScan(_store, map, progress, _log).RunAsync(cancellationToken).ConfigureAwait(false))
            yield return point;
    }

    /// <inheritdoc/>
    public Task<CleanupResult> CleanupAsync(WalFileName keepFrom, CleanupOptions? options = null, CancellationToken cancellationToken = default) =>
        new WalCleaner(_store, options ?? new CleanupOptions(), _log).RunAsync(keepFrom, cancellationToken);
}
