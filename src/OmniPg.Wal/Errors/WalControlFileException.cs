namespace OmniPg.Wal;

/// <summary>The file <c>global/pg_control</c> of a data directory is missing, unreadable, damaged or of an unknown version.</summary>
public sealed class WalControlFileException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="code">One of <c>wal.control.missing</c>, <c>wal.control.unreadable</c>, <c>wal.control.damaged</c>, <c>wal.control.unknown-version</c>.</param>
    /// <param name="message">What happened, with the path in single quotes.</param>
    /// <param name="hint">What to do next.</param>
    /// <param name="inner">The error underneath, if any.</param>
    public WalControlFileException(string code, string message, string? hint = null, Exception? inner = null)
        : base(code, message, hint, inner) => File = "pg_control";
}
