namespace OmniPg.Wal;

/// <summary>Archives finished WAL files. The seam for code that wants to fake archiving in its tests; the implementation is <see cref="WalArchiver"/>.</summary>
public interface IWalArchiver : IAsyncDisposable
{
    /// <summary>Copies one finished WAL file to every destination and returns once all required copies are durable.</summary>
    /// <param name="path">Path of the file as PostgreSQL passes it (<c>%p</c>), relative to the data directory or absolute.</param>
    /// <param name="cancellationToken">Cancels; unpublished copies leave no trace.</param>
    /// <returns>What each destination holds now.</returns>
    Task<WalArchiveResult> ArchiveAsync(string path, CancellationToken cancellationToken = default);
}
