using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Messages of base backups; ids 2500 to 2599.</summary>
internal static partial class BackupLog
{
    [LoggerMessage(2500, LogLevel.Information, "Made base backup {Id}: {RawBytes} bytes in {Files} files, {StoredBytes} stored.")]
    public static partial void Made(ILogger log, string id, long rawBytes, long storedBytes, long files);

    [LoggerMessage(2501, LogLevel.Warning, "The object {Key} of a backup that failed could not be removed: {Reason}")]
    public static partial void LeftBehind(ILogger log, string key, string reason);

    [LoggerMessage(2502, LogLevel.Information, "Restored base backup {Id} into {Directory}.")]
    public static partial void Restored(ILogger log, string id, string directory);

    [LoggerMessage(2503, LogLevel.Information, "Removed base backup {Id}.")]
    public static partial void Removed(ILogger log, string id);

    [LoggerMessage(2504, LogLevel.Warning, "Passed over base backup {Id}: {Reason}")]
    public static partial void PassedOver(ILogger log, string id, string reason);

    [LoggerMessage(2507, LogLevel.Error, "{Pages} damaged pages were found on the server, in {Files} files; the first {Told} were told one by one.")]
    public static partial void DamagedPages(ILogger log, long pages, long files, long told);

    [LoggerMessage(2508, LogLevel.Error, "Base backup {Id} is hidden: its removal could be neither ended nor taken back. Its entry lies in {Copy}: {Reason}")]
    public static partial void Hidden(ILogger log, string id, string copy, string reason);

    [LoggerMessage(2509, LogLevel.Warning, "The removal of base backup {Id} failed half-way; the next one ends it: {Reason}")]
    public static partial void HalfRemoved(ILogger log, string id, string reason);

    [LoggerMessage(2510, LogLevel.Warning, "What a removal in {Store} has left cannot be ended: {Reason}")]
    public static partial void Unfinished(ILogger log, string store, string reason);

    [LoggerMessage(2511, LogLevel.Warning, "Base backup {Id} is made and counts, but whether all that it needs is still there could not be looked at once more: {Reason}")]
    public static partial void NotLookedAt(ILogger log, string id, string reason);

    [LoggerMessage(2512, LogLevel.Error, "Base backup {Id} may count or not: the answer to its publication was lost, and the store does not tell. Its parts stay: {Reason}")]
    public static partial void MayCount(ILogger log, string id, string reason);

    [LoggerMessage(2513, LogLevel.Error, "The server told pg_basebackup of damaged pages, {Pages} or more; the backup holds them as they are.")]
    public static partial void DamagedByServer(ILogger log, long pages);

    [LoggerMessage(2514, LogLevel.Debug, "pg_basebackup: {Line}")]
    public static partial void ProgramSaid(ILogger log, string line);

    [LoggerMessage(2506, LogLevel.Error, "Block {Block} of {File} is damaged on the server: it has the checksum {Stored} instead of {Computed}. The backup holds it as it is.")]
    public static partial void DamagedPage(ILogger log, uint block, string file, ushort stored, ushort computed);

    [LoggerMessage(2505, LogLevel.Information, "Copied {DataDirectory} to {Locations}: {Bytes} bytes each.")]
    public static partial void Copied(ILogger log, string dataDirectory, string locations, long bytes);
}
