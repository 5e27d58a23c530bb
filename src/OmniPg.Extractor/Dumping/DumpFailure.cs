namespace OmniPg.Extractor;

/// <summary>Turns the end of a failed run into the error that says most.</summary>
internal static class DumpFailure
{
    public static ExtractorException From(PgTool tool, ExternalProcessException error, TimeSpan lockTimeout) => error.Result is { } exit
        ? From(tool, exit, lockTimeout)
        : new PgDumpFailedException(tool.Path, null, error.Message, innerException: error);

    public static ExtractorException From(PgTool tool, ExternalProcessResult exit, TimeSpan lockTimeout)
    {
        if (ServerVersionIn(exit.ErrorTail) is { } server)
            return new PgToolNotFoundException(tool.Path, tool.Version, server);
        var failure = new PgDumpFailedException(tool.Path, exit.ExitCode, exit.ErrorTail, Hint(exit));
        return LockedTableIn(exit.ErrorTail) is { } table ? new PgDumpFailedException(table, lockTimeout, failure) : failure;
    }

    /// <summary>Whether the dump lost a race with concurrent DDL and may succeed when started again.</summary>
    public static bool IsRace(ExtractorException error) => error is PgDumpFailedException { LockedTables: null, StderrTail: var stderr }
        && (stderr.Contains("cache lookup failed", StringComparison.Ordinal) || stderr.Contains("could not open relation with OID", StringComparison.Ordinal));

    /// <summary>Whether a pooler refused options at the start of the session (PgBouncer without <c>ignore_startup_parameters = options</c>).</summary>
    public static bool RefusesOptions(ExtractorException error) => error is PgDumpFailedException { LockedTables: null, StderrTail: var stderr }
        && stderr.Contains("unsupported startup parameter", StringComparison.Ordinal) && stderr.Contains("options", StringComparison.Ordinal);

    private static PgServerVersion? ServerVersionIn(string stderr)
    {
        // pg_dump: error: aborting because of server version mismatch / pg_dump: detail: server version: 17.2; pg_dump version: 15.18
        const string Mark = "server version: ";
        var at = stderr.Contains("server version mismatch", StringComparison.Ordinal) ? stderr.IndexOf(Mark, StringComparison.Ordinal) : -1;
        return at >= 0 && PgServerVersion.TryParse(stderr.AsSpan(at + Mark.Length), null, out var version) ? version : null;
    }

    private static string? LockedTableIn(string stderr)
    {
        // pg_dump realises --lock-wait-timeout with statement_timeout, so the text speaks of a statement.
        const string Start = "Query was: LOCK TABLE ";
        const string End = " IN ACCESS SHARE MODE";
        if (!stderr.Contains("canceling statement due to", StringComparison.Ordinal))
            return null;
        var from = stderr.IndexOf(Start, StringComparison.Ordinal);
        var to = from < 0 ? -1 : stderr.IndexOf(End, from, StringComparison.Ordinal);
        return to < 0 ? null : stderr[(from + Start.Length)..to];
    }

    private static string? Hint(ExternalProcessResult exit)
    {
        if (exit.ErrorTail.Contains("no password supplied", StringComparison.Ordinal))
            return "A data source hides its password: use PgDumpSource with a password provider, 'Persist Security Info=true', or a password file.";
        if (exit.ErrorTail.Contains("invalid byte sequence for encoding", StringComparison.Ordinal))
            return "The database does not say how its text is encoded (SQL_ASCII): dump it in the encoding SQL_ASCII, which takes the bytes as they are.";
        return exit.ExitCode > 128 ? "The program was killed by a signal: look for the out-of-memory killer or an operator." : null;
    }
}
