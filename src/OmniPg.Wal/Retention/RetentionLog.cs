using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Messages of cleanup; ids 2300 to 2399. The text of a removal is OmniPITR's, word by word.</summary>
internal static partial class RetentionLog
{
    [LoggerMessage(2300, LogLevel.Information, "Segment {Name} ({Path}) removed, as it is too old (older than {Limit})")]
    public static partial void Removed(ILogger log, WalFileName name, string path, WalFileName limit);

    [LoggerMessage(2301, LogLevel.Information, "Removal of WAL files is paused while the file {Trigger} exists.")]
    public static partial void Paused(ILogger log, string trigger);
}
