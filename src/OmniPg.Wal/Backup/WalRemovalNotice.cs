namespace OmniPg.Wal;

/// <summary>
/// Tells those who publish a backup which WAL is about to go. A cleanup leaves a notice beside the backups, looks at them behind it, and removes no more WAL than it may by that look; then it leaves a new one and
/// looks again. Whoever publishes an entry looks for notices behind that.
/// </summary>
/// <param name="store">The store of the backups.</param>
/// <param name="keptFrom">Looks: the first WAL that a backup needs by now.</param>
internal sealed class WalRemovalNotice(IObjectStore store, Func<CancellationToken, Task<WalFileName>> keptFrom) : IAsyncDisposable
{
    private const string Folder = "removing-wal/";

    // A batch of files is removed in seconds; whoever is silent for so long was killed.
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(15);

    private string? _key;

    /// <summary>Tells that WAL is about to go, and how much of it may.</summary>
    /// <param name="before">Up to where, exclusively.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Up to where it may: that, or less.</returns>
    public async Task<WalFileName> RenewAsync(WalFileName before, CancellationToken cancellationToken)
    {
        // The name tells it, also to who has no key of an encrypted store.
        var (old, key) = (_key, $"{Folder}{Guid.NewGuid():N}-{before}");
        await SmallObject.WriteAsync(store, key, ReadOnlyMemory<byte>.Empty, cancellationToken).ConfigureAwait(false);
        _key = key;
        if (old is not null)
            await store.DeleteAsync(old, cancellationToken).ConfigureAwait(false);
        var kept = await keptFrom(cancellationToken).ConfigureAwait(false);
        return kept.Position < before.Position ? kept : before;
    }

    /// <summary>Takes the notice away.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_key is not { } key)
            return;
        _key = null;
        await store.DeleteAsync(key, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Looks whether a file, or what lies behind it, is being removed.</summary>
    /// <param name="store">The store of the backups.</param>
    /// <param name="needed">The first file that is needed.</param>
    /// <param name="time">The time that ages are told from.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Up to where WAL is being removed; null when that ends before the file.</returns>
    public static async Task<WalFileName?> FindAsync(IObjectStore store, WalFileName needed, TimeProvider time, CancellationToken cancellationToken)
    {
        var since = time.GetUtcNow() - Silence;
        await foreach (var entry in store.ListAsync(Folder, BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (entry.Modified >= since && WalFileName.TryParse(EncryptedNames.Plain(entry.Key).AsSpan(entry.Key.IndexOf('-', Folder.Length) + 1), out var before) && before.Position > needed.Position)
                return before;
        }

        return null;
    }

    /// <summary>Takes away what killed cleanups have left.</summary>
    public static async Task SweepAsync(IObjectStore store, TimeProvider time, CancellationToken cancellationToken)
    {
        var since = time.GetUtcNow() - Silence;
        var left = new List<string>();
        await foreach (var entry in store.ListAsync(Folder, BackupCatalog.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (entry.Modified < since)
                left.Add(entry.Key);
        }

        foreach (var key in left)
            await store.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
    }
}
