namespace OmniPg;

/// <summary>An external program could not be started, or ended with an error.</summary>
public sealed class ExternalProcessException : OmniPgException
{
    /// <summary>Creates the error for a program that could not be started.</summary>
    /// <param name="fileName">The program.</param>
    /// <param name="cause">What the operating system said.</param>
    public ExternalProcessException(string fileName, Exception cause)
        : base("process.start", $"The program '{fileName}' could not be started: {cause.Message}",
            "Install it, or give its full path.", cause) => FileName = fileName;

    /// <summary>Creates the error for a program that ended badly.</summary>
    /// <param name="fileName">The program.</param>
    /// <param name="result">How it ended.</param>
    public ExternalProcessException(string fileName, ExternalProcessResult result)
        : base("process.failed", $"The program '{fileName}' ended with exit code '{result.ExitCode}'"
            + (result.ErrorTail.Length == 0 ? "." : $": {result.ErrorTail}"))
    {
        FileName = fileName;
        Result = result;
    }

    /// <summary>The program.</summary>
    public string FileName { get; }

    /// <summary>How it ended; <see langword="null"/> when it never started.</summary>
    public ExternalProcessResult? Result { get; }
}
