using Microsoft.Extensions.Logging;

namespace OmniPg.Wal.Cli;

/// <summary>What the program itself says; ids 2900 to 2999. The texts of 'Called with' and the success lines are OmniPITR's, word by word.</summary>
internal static partial class ProgramLog
{
    [LoggerMessage(2900, LogLevel.Critical, "{Message}")]
    public static partial void Failed(ILogger log, string message, Exception? error);

    [LoggerMessage(2901, LogLevel.Information, "Called with parameters: {Parameters}")]
    public static partial void Called(ILogger log, string parameters);

    [LoggerMessage(2904, LogLevel.Information, "{Count} files removed.")]
    public static partial void Cleaned(ILogger log, int count);

    [LoggerMessage(2905, LogLevel.Debug, "{Count} files wait for archiving.")]
    public static partial void Backlog(ILogger log, int count);

    [LoggerMessage(2906, LogLevel.Error, "{File} was not archived and will be tried again: {Reason}")]
    public static partial void NotArchived(ILogger log, string file, string reason);

    [LoggerMessage(2907, LogLevel.Critical, "The resident process could not archive {Path}: {Reason}")]
    public static partial void ResidentFailed(ILogger log, string path, string reason);

    [LoggerMessage(2908, LogLevel.Debug, "The resident process archived {Path}.")]
    public static partial void ResidentDone(ILogger log, string path);

    [LoggerMessage(2909, LogLevel.Warning, "The process that fetches ahead could not be started, so segments come from the sources alone: {Reason}")]
    public static partial void NoPrefetch(ILogger log, string reason);

    [LoggerMessage(2910, LogLevel.Warning, "The state {Path} cannot be read, so the logs are read from their beginning: {Reason}")]
    public static partial void StateLost(ILogger log, string path, string reason);

    [LoggerMessage(2920, LogLevel.Warning, "{What} were written by a server that is newer than this program: {Consequence}.")]
    public static partial void UnknownVersion(ILogger log, string what, string consequence);
}
