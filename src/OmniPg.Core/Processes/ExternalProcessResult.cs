namespace OmniPg;

/// <summary>How an external program ended.</summary>
/// <param name="ExitCode">Its exit code; on Unix 128 + n when signal n ended it.</param>
/// <param name="ErrorTail">The last part of its standard error, trimmed; empty when it wrote none.</param>
public sealed record ExternalProcessResult(int ExitCode, string ErrorTail);
