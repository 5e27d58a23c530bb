namespace OmniPg.Extractor;

/// <summary>pg_dump waited longer for a table lock than <c>PgDumpOptions.LockTimeout</c>. Code <c>extractor.dump.lock-timeout</c>.</summary>
public sealed class PgDumpLockTimeoutException : ExtractorException
{
    internal PgDumpLockTimeoutException(string tables, TimeSpan timeout, Exception innerException)
        : base(
            "extractor.dump.lock-timeout",
            $"Another session holds a lock on '{tables}', and pg_dump could not lock it within '{timeout}'.",
            "Look into pg_locks for the session that holds ACCESS EXCLUSIVE, or raise PgDumpOptions.LockTimeout.",
            innerException)
        => Tables = tables;

    /// <summary>The table as SQL text; pg_dump 16 and newer lock many at once and then all of them stand here, separated by commas.</summary>
    public string Tables { get; }

    /// <summary>Always true: the lock goes away by itself.</summary>
    public override bool IsTransient => true;
}
