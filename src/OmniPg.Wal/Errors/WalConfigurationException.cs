namespace OmniPg.Wal;

/// <summary>Options, a configuration file or the set-up of a directory is wrong. Nothing was read or written yet.</summary>
/// <remarks>Code <c>wal.configuration</c>; the program ends with exit code 20.</remarks>
public sealed class WalConfigurationException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is wrong, naming the option or file.</param>
    /// <param name="hint">What to change; null when the message says it.</param>
    /// <param name="innerException">The cause, or null.</param>
    public WalConfigurationException(string message, string? hint = null, Exception? innerException = null)
        : base("wal.configuration", message, hint, innerException)
    {
    }
}
