using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>
/// Every log message of the package; event ids 2000 to 2099 archive, 2200 to 2299 restore, 2300 to 2399 remove, 2400 to 2499 look at a whole archive. What
/// OmniPITR says too keeps its words, because its monitor reads them.
/// </summary>
internal static partial class WalLog
{
    [LoggerMessage(2000, LogLevel.Information, "Segment {Path} successfully sent to all destinations.")]
    public static partial void Sent(ILogger log, string path);

    [LoggerMessage(2001, LogLevel.Information, "Segment {Path} already sent to {Destination}. Skipping.")]
    public static partial void AlreadySent(ILogger log, string path, string destination);

    [LoggerMessage(2002, LogLevel.Warning, "{File} was present in {Destination} already, with equal content.")]
    public static partial void AlreadyPresent(ILogger log, WalFileName file, string destination);

    [LoggerMessage(2003, LogLevel.Error, "Sending to {Destination} failed: {Reason}")]
    public static partial void DestinationFailed(ILogger log, string destination, string reason);

    [LoggerMessage(2004, LogLevel.Warning, "Sending to optional {Destination} failed (ignored): {Reason}")]
    public static partial void OptionalFailed(ILogger log, string destination, string reason);

    [LoggerMessage(2005, LogLevel.Warning, "The delivery state of {File} could not be read and was discarded.")]
    public static partial void StateDiscarded(ILogger log, string file);

    [LoggerMessage(2006, LogLevel.Warning, "{File} is archived without validation.")]
    public static partial void NotValidated(ILogger log, WalFileName file);

    [LoggerMessage(2007, LogLevel.Warning, "The delivery state of {File} could not be kept, so the next call compares what is stored: {Reason}")]
    public static partial void StateNotKept(ILogger log, WalFileName file, string reason);

    [LoggerMessage(2008, LogLevel.Warning, "Abandoned temporary files could not be removed: {Reason}")]
    public static partial void NotTidied(ILogger log, string reason);

    [LoggerMessage(2009, LogLevel.Critical, "{File} was given up: more than {Limit} bytes of WAL wait to be archived. Nothing behind it can be restored until the next full backup.")]
    public static partial void Dropped(ILogger log, WalFileName file, long limit);

    [LoggerMessage(2010, LogLevel.Error, "An archive was not told of the WAL files that were given up; it is told behind the next file: {Reason}")]
    public static partial void DropNotTold(ILogger log, string reason);

    [LoggerMessage(2020, LogLevel.Warning, "{File} was written by a server that is newer than this package: it is archived with its header checked and nothing else. Update OmniPg.")]
    public static partial void ArchivedUnknownVersion(ILogger log, WalFileName file);

    [LoggerMessage(2021, LogLevel.Information, "The bytes of {File} up to {End} belong to a record that begins in a segment that is not here any more; they were not checked.")]
    public static partial void NotWhollyChecked(ILogger log, WalFileName file, string end);

    [LoggerMessage(2022, LogLevel.Information, "{File} was in {Destination} before this run, with equal content.")]
    public static partial void WasArchived(ILogger log, WalFileName file, string destination);

    [LoggerMessage(2050, LogLevel.Debug, "Archived {File} in {Seconds:0.000} s, {Backlog} wait.")]
    public static partial void Archived(ILogger log, WalFileName file, double seconds, int backlog);

    [LoggerMessage(2051, LogLevel.Error, "Archiving {File} failed and will be tried again: {Reason}")]
    public static partial void Failed(ILogger log, WalFileName file, string reason);

    [LoggerMessage(2052, LogLevel.Debug, "{Backlog} files wait to be archived.")]
    public static partial void Backlog(ILogger log, int backlog);

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
    public static partial void Finished(ILogger log, string mode, WalFileName name);

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
    public static partial void RestoredUnknownVersion(ILogger log, string key);

    [LoggerMessage(2300, LogLevel.Information, "Segment {Name} ({Path}) removed, as it is too old (older than {Limit})")]
    public static partial void Removed(ILogger log, WalFileName name, string path, WalFileName limit);

    [LoggerMessage(2301, LogLevel.Information, "Removal of WAL files is paused while the file {Trigger} exists.")]
    public static partial void Paused(ILogger log, string trigger);

    [LoggerMessage(2400, LogLevel.Warning, "The archived file {Key} is not valid and was passed over: {Reason}")]
    public static partial void PassedOver(ILogger log, string key, string reason);
}
