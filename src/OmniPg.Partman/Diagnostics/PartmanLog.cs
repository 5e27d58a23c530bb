using Microsoft.Extensions.Logging;

namespace OmniPg.Partman;

/// <summary>Log events of this package, ids 5000 to 5999.</summary>
internal static partial class PartmanLog
{
    [LoggerMessage(5000, LogLevel.Information, "Ran {Kind} on {Set} {Partition} in {Milliseconds:0.0} ms")]
    public static partial void Ran(ILogger logger, string kind, string set, string partition, double milliseconds);

    [LoggerMessage(5001, LogLevel.Error, "Maintenance of {Set} failed")]
    public static partial void SetFailed(ILogger logger, string set, Exception error);

    [LoggerMessage(5002, LogLevel.Information, "Created partition set {Set} with {Partitions} partitions")]
    public static partial void SetCreated(ILogger logger, string set, int partitions);

    [LoggerMessage(5003, LogLevel.Error, "A round of scheduled maintenance failed")]
    public static partial void RoundFailed(ILogger logger, Exception error);

    [LoggerMessage(5004, LogLevel.Warning, "The job log could not be written; the run goes on without it")]
    public static partial void JobLogFailed(ILogger logger, Exception error);

    [LoggerMessage(5005, LogLevel.Warning, "Autovacuum stays off for {Table}: {Reason}. The next maintenance tries again, or: {Statement}")]
    public static partial void AutovacuumLeft(ILogger logger, string table, string reason, string statement);

    [LoggerMessage(5006, LogLevel.Warning, "Autovacuum may still be off for tables whose rows were moved for {Set}; the next maintenance gives them their settings back")]
    public static partial void AutovacuumNotGivenBack(ILogger logger, string set, Exception error);

    [LoggerMessage(5007, LogLevel.Warning, "Tables that a killed run left bounded, or without autovacuum, could not be looked at; the next maintenance tries again")]
    public static partial void NotLetGo(ILogger logger, Exception error);

    [LoggerMessage(5008, LogLevel.Warning, "Autovacuum stays on for {Table} while its rows are moved: somebody holds the table, or it is another role's")]
    public static partial void AutovacuumKept(ILogger logger, string table);

    [LoggerMessage(5009, LogLevel.Warning, "Partitions ahead of {Set} are still to be made behind its conversion; the next maintenance tries again")]
    public static partial void AheadLeft(ILogger logger, string set, Exception error);

    [LoggerMessage(5100, LogLevel.Information, "Adopted partition set {Set} with {Partitions} partitions")]
    public static partial void SetAdopted(ILogger logger, string set, int partitions);

    [LoggerMessage(5150, LogLevel.Information, "Undid partition set {Set} into {Target}: {Rows} rows of {Partitions} partitions")]
    public static partial void SetUndone(ILogger logger, string set, string target, long rows, int partitions);

    [LoggerMessage(5200, LogLevel.Information, "Declared sets need {Kind}: {Reason}")]
    public static partial void SetPlanned(ILogger logger, string kind, string reason);

    [LoggerMessage(5201, LogLevel.Information, "Declared set {Set} is {Outcome}")]
    public static partial void SetDeclared(ILogger logger, string set, DeclaredFate outcome);
}
