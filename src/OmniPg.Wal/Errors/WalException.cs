namespace OmniPg.Wal;

/// <summary>Base of every error that <c>OmniPg.Wal</c> reports about WAL files, archives and servers (misuse of the API throws the <see cref="ArgumentException"/> family instead).</summary>
/// <param name="code">Stable, documented identifier such as <c>wal.segment.bad-crc</c>.</param>
/// <param name="message">What happened, naming the object and both sides of a mismatch.</param>
/// <param name="hint">What the operator does next; <see langword="null"/> when there is nothing sensible to say.</param>
/// <param name="inner">The error underneath, if any.</param>
public abstract class WalException(string code, string message, string? hint = null, Exception? inner = null)
    : OmniPgException(code, message, hint, inner)
{
    /// <summary>Name of the WAL file concerned (without directory), or <see langword="null"/> when the error is not about one file.</summary>
    public string? File { get; init; }

    /// <summary>Identifier of the destination or source concerned, or <see langword="null"/> when the error is not about one.</summary>
    public string? Destination { get; init; }
}
