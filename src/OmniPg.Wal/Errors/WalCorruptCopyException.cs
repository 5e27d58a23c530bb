namespace OmniPg.Wal;

/// <summary>The archive holds a file of this name, but no valid copy of it. It was not handed to the server.</summary>
/// <remarks>Code <c>wal.restore.corrupt</c>; trying again fails again.</remarks>
public sealed class WalCorruptCopyException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="file">The file asked for.</param>
    /// <param name="failures">What is wrong with each copy.</param>
    public WalCorruptCopyException(string file, IReadOnlyList<WalSourceFailure> failures)
        : base(
            "wal.restore.corrupt",
            $"WAL file '{file}' has no valid copy: {string.Join("; ", failures)}",
            "Look for another copy (second archive, standby, pg_wal of the old server) and give it as a further source.",
            failures is [var first, ..] ? first.Error : null)
    {
        File = file;
        Failures = failures;
    }

    /// <summary>What is wrong with each copy, in the order they were tried.</summary>
    public IReadOnlyList<WalSourceFailure> Failures { get; }
}
