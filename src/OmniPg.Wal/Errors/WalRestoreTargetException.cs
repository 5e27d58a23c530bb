namespace OmniPg.Wal;

/// <summary>The file for the server cannot be written: disk full, directory missing, wrong owner.</summary>
/// <remarks>Code <c>wal.restore.target</c>, transient.</remarks>
public sealed class WalRestoreTargetException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="path">The target path.</param>
    /// <param name="innerException">What the file system said.</param>
    public WalRestoreTargetException(string path, Exception innerException)
        : base(
            "wal.restore.target",
            $"The restored file '{path}' cannot be written: {innerException?.Message}",
            "Check free space and owner of the data directory.",
            innerException)
    {
        Destination = path;
    }

    /// <inheritdoc/>
    public override bool IsTransient => true;
}
