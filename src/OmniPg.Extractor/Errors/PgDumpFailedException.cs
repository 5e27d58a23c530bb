namespace OmniPg.Extractor;

/// <summary>
/// pg_dump or pg_dumpall ended with an error, was killed, or could not be started, code <c>extractor.dump.failed</c>; or pg_dump waited longer for a table lock
/// than <c>PgDumpOptions.LockTimeout</c>, code <c>extractor.dump.lock-timeout</c>.
/// </summary>
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

    internal PgDumpFailedException(string lockedTables, TimeSpan timeout, PgDumpFailedException cause)
        : base(
            "extractor.dump.lock-timeout",
            $"Another session holds a lock on '{lockedTables}', and pg_dump could not lock it within '{timeout}'.",
            "Look into pg_locks for the session that holds ACCESS EXCLUSIVE, or raise PgDumpOptions.LockTimeout.",
            cause)
    {
        ExitCode = cause.ExitCode;
        StderrTail = cause.StderrTail;
        LockedTables = lockedTables;
    }

    /// <summary>Exit code; above 128 usually 128 + signal; null when the program could not be started or its output ended too early.</summary>
    public int? ExitCode { get; }

    /// <summary>Last 8 KiB of what the program wrote to standard error.</summary>
    public string StderrTail { get; }

    /// <summary>The table that stayed locked, as SQL text; pg_dump 16 and newer lock many at once and then all of them stand here, separated by commas. Else null.</summary>
    public string? LockedTables { get; }

    /// <summary>True for a lock, which goes away by itself.</summary>
    public override bool IsTransient => LockedTables is not null;
}
