namespace OmniPg.Wal;

/// <summary>Hands archived WAL files to a recovering server: <c>restore_command</c> as a service. <see cref="WalRestorer"/> is the implementation.</summary>
public interface IWalRestorer
{
    /// <summary>Fetches one file from the first source that holds a valid copy.</summary>
    /// <param name="name">Name as PostgreSQL passes it (<c>%f</c>): a segment, a backup history or a timeline history.</param>
    /// <param name="targetPath">Where to put it (<c>%p</c>), absolute or relative to the data directory. Appears complete or not at all.</param>
    /// <param name="cancellationToken">Stops within a second; no file is left.</param>
    /// <returns>Restored, or not found: every source answered and none has it.</returns>
    /// <exception cref="ArgumentException"><paramref name="name"/> is not the name of a WAL file.</exception>
    /// <exception cref="WalSourceException">A source did not answer and no other one has a valid copy, until the retry time was over.</exception>
    /// <exception cref="WalCorruptCopyException">The file is in the archive, but no copy of it is valid.</exception>
    /// <exception cref="WalRestoreTargetException">The file for the server cannot be written.</exception>
    /// <exception cref="WalControlFileException"><c>pg_control</c> cannot tell what may be removed, and <see cref="WalRestoreOptions.ControlFileErrors"/> is <see cref="ControlFileErrorPolicy.Fail"/>.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; no file is left.</exception>
    Task<WalRestoreOutcome> RestoreAsync(string name, string targetPath, CancellationToken cancellationToken = default);
}
