using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Messages of the receiver; ids 2600 to 2699.</summary>
internal static partial class ReceiveLog
{
    [LoggerMessage(2600, LogLevel.Information, "Receiving WAL of timeline {Timeline} from {Lsn} on into {Directory}.")]
    public static partial void Started(ILogger log, uint timeline, string lsn, string directory);

    [LoggerMessage(2601, LogLevel.Debug, "Received segment {Name}.")]
    public static partial void Completed(ILogger log, WalFileName name);

    [LoggerMessage(2602, LogLevel.Information, "Timeline {Timeline} ended at {Lsn}; timeline {Next} follows.")]
    public static partial void Switched(ILogger log, uint timeline, string lsn, uint next);

    [LoggerMessage(2603, LogLevel.Warning, "Receiving was interrupted and goes on in {Seconds:0.0} s: {Reason}")]
    public static partial void Interrupted(ILogger log, double seconds, string reason);

    [LoggerMessage(2604, LogLevel.Information, "Created the replication slot {Slot}.")]
    public static partial void CreatedSlot(ILogger log, string slot);

    [LoggerMessage(2605, LogLevel.Error, "{Name} was not delivered and will be tried again in {Seconds:0.0} s: {Reason}")]
    public static partial void NotDelivered(ILogger log, WalFileName name, double seconds, string reason);

    [LoggerMessage(2606, LogLevel.Debug, "{Name} is delivered and left the directory.")]
    public static partial void Left(ILogger log, WalFileName name);

    [LoggerMessage(2607, LogLevel.Warning, "The server has removed {Name} before it was received; its copy in {Destination} was taken.")]
    public static partial void Filled(ILogger log, WalFileName name, string destination);

    [LoggerMessage(2608, LogLevel.Warning, "What had come last was not kept, and comes again: {Reason}")]
    public static partial void NotKept(ILogger log, string reason);
}
