namespace OmniPg.Wal;

/// <summary>Archives finished WAL files. The seam for code that wants to fake archiving in its tests; the implementation is <see cref="WalArchiver"/>.</summary>
public interface IWalArchiver : IAsyncDisposable
{
    /// <summary>Copies one finished WAL file to every destination and returns once all required copies are durable.</summary>
    /// <param name="path">Path of the file as PostgreSQL passes it (<c>%p</c>), relative to the data directory or absolute.</param>
    /// <param name="cancellationToken">Cancels; unpublished copies leave no trace.</param>
    /// <returns>What each destination holds now.</returns>
    /// <exception cref="ArgumentException">The path does not end in the name of a WAL file.</exception>
    /// <exception cref="WalConfigurationException">The data directory is none.</exception>
    /// <exception cref="WalControlFileException">The <c>pg_control</c> of the data directory is missing, damaged, or of a version that is not read.</exception>
    /// <exception cref="WalInputException">The file is missing, no regular file, unreadable, or changed while it was read.</exception>
    /// <exception cref="WalValidationException">The file is not what its name says, or damaged. Nothing was published.</exception>
    /// <exception cref="WalArchiveMismatchException">An archive belongs to another cluster. Nothing was published.</exception>
    /// <exception cref="WalConflictException">A destination holds the name with other content. Nothing was published.</exception>
    /// <exception cref="WalDeliveryException">A required destination failed; the others hold the file, and the next call sends it only where it is missing.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing unpublished is left.</exception>
    /// <exception cref="ObjectDisposedException">The archiver was disposed.</exception>
    Task<WalArchiveResult> ArchiveAsync(string path, CancellationToken cancellationToken = default);
}
