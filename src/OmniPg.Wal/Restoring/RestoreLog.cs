using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Messages of restore; ids 2200 to 2299. The text of success is OmniPITR's, word by word.</summary>
internal static partial class RestoreLog
{
    [LoggerMessage(2200, LogLevel.Information, "Segment {Name} restored")]
    public static partial void Restored(ILogger log, WalFileName name);

    [LoggerMessage(2201, LogLevel.Debug, "Fetched {Key} from {Source}: {RawBytes} bytes.")]
    public static partial void Fetched(ILogger log, string key, string source, long rawBytes);

    [LoggerMessage(2202, LogLevel.Information, "Requested file {Name} is in no source.")]
    public static partial void NotFound(ILogger log, WalFileName name);

    [LoggerMessage(2203, LogLevel.Error, "The copy {Key} in {Source} is not valid and was skipped: {Reason}")]
    public static partial void CorruptCopy(ILogger log, string key, string source, string reason);

    [LoggerMessage(2204, LogLevel.Warning, "Source {Source} did not answer for {Name}: {Reason}")]
    public static partial void SourceFailed(ILogger log, WalFileName name, string source, string reason);

    [LoggerMessage(2205, LogLevel.Error, "Removal of WAL files failed (ignored): {Reason}")]
    public static partial void RemovalFailed(ILogger log, string reason, Exception error);

    [LoggerMessage(2206, LogLevel.Information, "Finishing recovery ({Mode}): {Name} was not served.")]
    public static partial void Finished(ILogger log, FinishMode mode, WalFileName name);

    [LoggerMessage(2207, LogLevel.Warning, "{Name} is served from its partial copy {Key}, padded with zeros.")]
    public static partial void UsedPartial(ILogger log, WalFileName name, string key);

    [LoggerMessage(2208, LogLevel.Warning, "The prefetched file {Name} was discarded: {Reason}")]
    public static partial void SpoolDiscarded(ILogger log, WalFileName name, string reason);

    [LoggerMessage(2209, LogLevel.Warning, "Segments are not checked against a cluster: {Reason}")]
    public static partial void UnknownCluster(ILogger log, string reason);

    [LoggerMessage(2210, LogLevel.Debug, "Prefetched {Name}.")]
    public static partial void Prefetched(ILogger log, WalFileName name);

    [LoggerMessage(2211, LogLevel.Debug, "{Name} was not prefetched: {Reason}")]
    public static partial void PrefetchFailed(ILogger log, WalFileName name, string reason);

    [LoggerMessage(2212, LogLevel.Warning, "The spool {Folder} cannot be used, so segments come from the sources alone: {Reason}")]
    public static partial void SpoolUnusable(ILogger log, string folder, string reason);

    [LoggerMessage(2220, LogLevel.Warning, "{Key} was written by a server that is newer than this package: it is handed out with its header checked and nothing else. Update OmniPg.")]
    public static partial void UnknownVersion(ILogger log, string key);
}
