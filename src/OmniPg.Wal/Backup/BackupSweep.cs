namespace OmniPg.Wal;

/// <summary>Removes what backups that never ended have left behind: objects without the one that makes them a backup, and temporary ones.</summary>
internal sealed class BackupSweep(IObjectStore store, TimeProvider time)
{
    // A backup under way has no last object either, and between its parts may wait for WAL; none does so for a day without writing.
    private static readonly TimeSpan Silence = TimeSpan.FromDays(1);

    /// <returns>How many objects were removed.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var before = time.GetUtcNow() - Silence;
        var removed = await store.RemoveAbandonedAsync(before, BackupCatalog.Depth, cancellationToken).ConfigureAwait(false);
        var folders = new Dictionary<string, List<ObjectEntry>>(StringComparer.Ordinal);
        await foreach (var entry in store.ListAsync("", BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (entry.Key.Split('/') is not [var id, _] || !BackupInfo.IsId(id))
                continue;
            if (!folders.TryGetValue(id, out var entries))
                folders.Add(id, entries = []);
            entries.Add(entry);
        }

        foreach (var entry in folders.Values.Where(f => f.TrueForAll(e => IsOldPart(e, before))).SelectMany(f => f))
        {
            await store.DeleteAsync(entry.Key, cancellationToken).ConfigureAwait(false);
            removed++;
        }

        return removed;
    }

    private static bool IsOldPart(ObjectEntry entry, DateTimeOffset before) =>
        entry.Modified < before && !entry.Key.EndsWith("/" + BackupInfo.FileName, StringComparison.Ordinal);
}
