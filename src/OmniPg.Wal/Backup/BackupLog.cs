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

    [LoggerMessage(2506, LogLevel.Error, "Block {Block} of {File} is damaged on the server: it has the checksum {Stored} instead of {Computed}. The backup holds it as it is.")]
    public static partial void DamagedPage(ILogger log, uint block, string file, ushort stored, ushort computed);

    [LoggerMessage(2505, LogLevel.Information, "Copied {DataDirectory} to {Locations}: {Bytes} bytes each.")]
    public static partial void Copied(ILogger log, string dataDirectory, string locations, long bytes);
}
