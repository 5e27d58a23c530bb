using Microsoft.Extensions.Logging;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Removes from a store what lies before a limit, oldest first. Used by cleanup, by a restore with removal and by the retention of backups.</summary>
/// <param name="store">The store.</param>
/// <param name="options">What may be removed.</param>
/// <param name="log">Where to log.</param>
/// <param name="renew">Asked before each batch for the limit as it is by then; null holds on to it.</param>
internal sealed class WalCleaner(IObjectStore store, CleanupOptions options, ILogger log, Func<WalFileName, CancellationToken, Task<WalFileName>>? renew = null)
{
    private const int BatchFiles = 200;
    private bool _pauseLogged;

    public async Task<CleanupResult> RunAsync(WalFileName keepFrom, CancellationToken cancellationToken)
    {
        if (IsPaused())
            return new CleanupResult([], Paused: true);

        var removed = new List<WalArchivedFile>();
        foreach (var file in await FindAsync(keepFrom, cancellationToken).ConfigureAwait(false))
        {
            // A backup that was published since may need WAL from further back.
            if (renew is not null && removed.Count % BatchFiles == 0)
                keepFrom = await renew(keepFrom, cancellationToken).ConfigureAwait(false);
            if (!IsObsolete(file.Name, keepFrom))
                return new CleanupResult(removed, Paused: false);
            // Looked at before every file: a backup that begins during a long cleanup needs what is left.
            if (IsPaused())
                return new CleanupResult(removed, Paused: true);
            if (!options.DryRun)
                await RemoveAsync(file, keepFrom, cancellationToken).ConfigureAwait(false);
            removed.Add(file);
        }

        return new CleanupResult(removed, Paused: false);
    }

    private bool IsPaused()
    {
        // Whether the trigger is there must be known; File.Exists would answer "no" to every trouble.
        var isPaused = options.PauseTrigger is { } path && FileStat.TryGet(path, out _);
        if (isPaused && !_pauseLogged)
            WalLog.Paused(log, options.PauseTrigger!);
        _pauseLogged = isPaused;
        return isPaused;
    }

    private async Task<IEnumerable<WalArchivedFile>> FindAsync(WalFileName keepFrom, CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(store, cancellationToken).ConfigureAwait(false);
        var found = new List<WalArchivedFile>();
        await foreach (var entry in store.ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (WalArchivedFile.TryParse(entry) is { } file && IsObsolete(file.Name, keepFrom))
                found.Add(file);
        }

        await presence.RequireAsync(null, cancellationToken).ConfigureAwait(false);
        // Oldest first, so that whatever stops the removal leaves a run of WAL without a hole.
        found.Sort(static (a, b) => Compare(a, b));
        return found.Take(options.MaxFiles ?? int.MaxValue);
    }

    private static int Compare(WalArchivedFile a, WalArchivedFile b)
    {
        var byPosition = a.Name.Position.CompareTo(b.Name.Position);
        return byPosition != 0 ? byPosition : string.CompareOrdinal(a.Key, b.Key);
    }

    private async Task RemoveAsync(WalArchivedFile file, WalFileName keepFrom, CancellationToken cancellationToken)
    {
        if (options.Hook is { } hook)
        {
            var content = await WalContent.OpenReadAsync(store, file.Key, cancellationToken).ConfigureAwait(false);
            // Gone already: another cleaner was here, and its hook saw the content.
            if (content is null)
                return;
            await using (content.ConfigureAwait(false))
                await hook.OnRemovingAsync(file, content, cancellationToken).ConfigureAwait(false);
        }

        await store.DeleteAsync(file.Key, cancellationToken).ConfigureAwait(false);
        WalLog.Removed(log, file.Name, file.Key, keepFrom);
    }

    /// <summary>
    /// The limit as <c>pg_archivecleanup</c> takes it: characters 9 to 24, whatever the timeline. A segment of an older timeline at a later
    /// position may still be needed to reach the newer timeline, and one of a newer timeline at an earlier position is not.
    /// </summary>
    private bool IsObsolete(WalFileName name, WalFileName keepFrom)
    {
        // A history file is a few lines, and without it no recovery finds its way over a promotion.
        if (name.Kind == WalFileKind.TimelineHistory || (name.Kind == WalFileKind.BackupHistory && !options.IncludeBackupHistory))
            return false;
        if (options.OmniPitrCompatibleComparison)
            return name.Kind != WalFileKind.Partial && string.CompareOrdinal(name.ToString(), keepFrom.ToString()) < 0;
        return keepFrom.Kind != WalFileKind.TimelineHistory && name.Position < keepFrom.Position;
    }
}
