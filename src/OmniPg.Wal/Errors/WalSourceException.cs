namespace OmniPg.Wal;

/// <summary>A source of a restore did not answer, so nobody knows whether it holds the file. Never reported as missing.</summary>
/// <remarks>Code <c>wal.restore.source</c>, transient.</remarks>
public sealed class WalSourceException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="file">The file asked for.</param>
    /// <param name="failures">What each failing source said.</param>
    public WalSourceException(string file, IReadOnlyList<WalSourceFailure> failures)
        : base(
            "wal.restore.source",
            $"WAL file '{file}' cannot be restored: {string.Join("; ", failures)}",
            "Bring the storage back; the file may well be there.",
            failures is [var first, ..] ? first.Error : null)
    {
        File = file;
        Failures = failures;
    }

    /// <summary>What each failing source said, in the order they were asked.</summary>
    public IReadOnlyList<WalSourceFailure> Failures { get; }

    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary>Why one source of a restore did not deliver.</summary>
/// <param name="Source">The source.</param>
/// <param name="Key">The file in it, or null when the source as a whole failed.</param>
/// <param name="IsCorrupt">Whether a copy was there but is not valid; otherwise the source did not answer.</param>
/// <param name="Error">The cause.</param>
public sealed record WalSourceFailure(string Source, string? Key, bool IsCorrupt, Exception Error)
{
    /// <summary>Source, key and cause on one line.</summary>
    public override string ToString() => Key is null ? $"'{Source}': {Error.Message}" : $"'{Key}' in '{Source}': {Error.Message}";
}
