namespace OmniPg.Wal;

/// <summary>An archive as a whole: what is in it, whether it is whole, and to which moment it can restore. <see cref="WalRepository"/> is the implementation.</summary>
/// <remarks>
/// Every member throws <see cref="WalArchiveAbsentException"/> where there is neither a marker nor an archived file, because that is what storage
/// looks like that is not mounted; and when the storage is unmounted before the member ends.
/// </remarks>
public interface IWalRepository
{
    /// <summary>Lists the WAL files, in no particular order.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The files; what is no WAL file is left out.</returns>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    IAsyncEnumerable<WalArchivedFile> ListAsync(CancellationToken cancellationToken = default);

    /// <summary>Reads every file to its end, checks the chain of records over all segments, and looks for gaps.</summary>
    /// <param name="options">How; null takes the defaults.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>What was found. Invalid files are results, not exceptions.</returns>
    /// <exception cref="CodecUnavailableException">The library or program of a file's codec is missing.</exception>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    Task<WalVerification> VerifyAsync(WalVerifyOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>What each timeline has.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>One entry per timeline that has segments or a history, oldest first.</returns>
    /// <exception cref="CodecUnavailableException">The library or program of a file's codec is missing.</exception>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    Task<IReadOnlyList<WalTimeline>> GetTimelinesAsync(CancellationToken cancellationToken = default);

    /// <summary>From when to when the archive can restore. Reads only as many segments as it takes to find the first and the last commit.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The window of the newest timeline; its times are null when no commit is archived.</returns>
    /// <exception cref="CodecUnavailableException">The library or program of a file's codec is missing.</exception>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    Task<RecoveryWindow> GetRecoveryWindowAsync(CancellationToken cancellationToken = default);

    /// <summary>Finds named restore points, by timeline and position. Reads all segments; those that are damaged are passed over.</summary>
    /// <param name="progress">Told after every segment; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The restore points as they are found.</returns>
    /// <exception cref="CodecUnavailableException">The library or program of a file's codec is missing.</exception>
    /// <exception cref="IOException">The archive, or a file of it, cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    IAsyncEnumerable<RestorePoint> GetRestorePointsAsync(IProgress<WalScanProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Removes what lies before a file, oldest first; never a timeline history. The original's <c>omnipitr-cleanup</c>.</summary>
    /// <param name="keepFrom">The first file to keep (<c>%r</c>); a backup history file or a partial segment stands for its segment.</param>
    /// <param name="options">What may be removed; null takes the defaults.</param>
    /// <param name="cancellationToken">Cancels; what was removed stays removed.</param>
    /// <returns>What was removed.</returns>
    /// <exception cref="IOException">The archive cannot be listed, or a file cannot be removed; what was removed stays removed.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not remove from the archive.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    Task<CleanupResult> CleanupAsync(WalFileName keepFrom, CleanupOptions? options = null, CancellationToken cancellationToken = default);
}
