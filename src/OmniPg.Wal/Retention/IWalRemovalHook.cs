namespace OmniPg.Wal;

/// <summary>Sees every WAL file before it is removed from an archive: the original's <c>--pre-removal-processing</c>.</summary>
public interface IWalRemovalHook
{
    /// <summary>Handles one file. When it throws, this file and all newer ones stay.</summary>
    /// <param name="file">The file that is about to go.</param>
    /// <param name="content">Its uncompressed content; valid during the call.</param>
    /// <param name="cancellationToken">Cancels; the file stays.</param>
    /// <returns>A task that ends when the file may go.</returns>
    Task OnRemovingAsync(WalArchivedFile file, Stream content, CancellationToken cancellationToken);
}
