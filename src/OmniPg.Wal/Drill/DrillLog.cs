using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Messages of restore drills; ids 2700 to 2799.</summary>
internal static partial class DrillLog
{
    [LoggerMessage(2700, LogLevel.Information, "Restore drill of backup {Id}: {Verdict}, reached {Reached:u}, restore {Restore}, replay {Replay}, checks {Checks}.")]
    public static partial void Ended(ILogger log, string? id, RestoreDrillVerdict verdict, DateTimeOffset? reached, TimeSpan restore, TimeSpan replay, TimeSpan checks);

    [LoggerMessage(2701, LogLevel.Information, "Removed '{Directory}', which a drill that was killed had left.")]
    public static partial void Swept(ILogger log, string directory);

    [LoggerMessage(2702, LogLevel.Warning, "'{Directory}' of a drill that was killed stays: {Reason}")]
    public static partial void LeftAlone(ILogger log, string directory, string reason);

    [LoggerMessage(2703, LogLevel.Debug, "Server of the drill: {Line}")]
    public static partial void ServerSaid(ILogger log, string line);

    [LoggerMessage(2704, LogLevel.Error, "The restore drill could not run: {Reason}")]
    public static partial void Failed(ILogger log, string reason);

    [LoggerMessage(2705, LogLevel.Warning, "Restore drill, {Check} in database {Database}, {Subject}: {Text}")]
    public static partial void Found(ILogger log, string check, string database, string subject, string text);
}
