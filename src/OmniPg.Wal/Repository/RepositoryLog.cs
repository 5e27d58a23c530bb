using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Messages about a whole archive; ids 2400 to 2499.</summary>
internal static partial class RepositoryLog
{
    [LoggerMessage(2400, LogLevel.Warning, "The archived file {Key} is not valid and was passed over: {Reason}")]
    public static partial void PassedOver(ILogger log, string key, string reason);
}
