using Microsoft.Extensions.Logging;

namespace OmniPg.Mimeo;

/// <summary>Log events of this package, ids 4000 to 4999.</summary>
internal static partial class MimeoLog
{
    [LoggerMessage(4000, LogLevel.Information, "Refreshed {Table} ({Kind}): {Status}, {Rows} rows, {Bytes} bytes in {Milliseconds:0} ms")]
    public static partial void Refreshed(ILogger logger, string table, string kind, string status, long rows, long bytes, double milliseconds);

    [LoggerMessage(4001, LogLevel.Warning, "{Table}: {Warning}")]
    public static partial void Warned(ILogger logger, string table, string warning);

    [LoggerMessage(4002, LogLevel.Information, "Set up {Table} ({Kind}) with {Rows} rows")]
    public static partial void Created(ILogger logger, string table, string kind, long rows);

    [LoggerMessage(4003, LogLevel.Error, "A scheduled refresh of {Table} failed")]
    public static partial void DueFailed(ILogger logger, string table, Exception error);

    [LoggerMessage(4004, LogLevel.Error, "A round of scheduled refreshes failed")]
    public static partial void RoundFailed(ILogger logger, Exception error);
}
