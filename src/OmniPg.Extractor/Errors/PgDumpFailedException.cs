namespace OmniPg.Extractor;

/// <summary>pg_dump or pg_dumpall ended with an error, was killed, or could not be started. Code <c>extractor.dump.failed</c>.</summary>
public sealed class PgDumpFailedException : ExtractorException
{
    internal PgDumpFailedException(string program, int? exitCode, string stderrTail, string? hint = null, Exception? innerException = null)
        : base(
            "extractor.dump.failed",
            $"'{program}' {(exitCode is { } code ? $"ended with exit code '{code}'" : "could not be run")}: {(stderrTail.Length == 0 ? "it wrote no message" : stderrTail.Trim())}",
            hint,
            innerException)
    {
        ExitCode = exitCode;
        StderrTail = stderrTail;
    }

    /// <summary>Exit code; above 128 usually 128 + signal; null when the program could not be started or its output ended too early.</summary>
    public int? ExitCode { get; }

    /// <summary>Last 8 KiB of what the program wrote to standard error.</summary>
    public string StderrTail { get; }
}
