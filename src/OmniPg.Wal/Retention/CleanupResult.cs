namespace OmniPg.Wal;

/// <summary>What a cleanup did.</summary>
/// <param name="Removed">The files removed (in a dry run: that would be), oldest first.</param>
/// <param name="Paused">Whether the pause trigger existed, or came, and therefore nothing (more) was removed.</param>
public sealed record CleanupResult(IReadOnlyList<WalArchivedFile> Removed, bool Paused)
{
    /// <summary>Bytes that the removed files took in the store.</summary>
    public long RemovedBytes => Removed.Sum(f => f.StoredBytes);
}
