namespace OmniPg.Extractor;

/// <summary>How a run of pg_dump ended.</summary>
/// <param name="ExitCode">0 when all went well.</param>
/// <param name="StderrTail">Last 8 KiB of standard error.</param>
public readonly record struct PgDumpExit(int ExitCode, string StderrTail);
