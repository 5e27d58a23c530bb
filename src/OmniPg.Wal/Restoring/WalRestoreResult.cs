namespace OmniPg.Wal;

/// <summary>What a restore did.</summary>
/// <param name="Status">Restored or not found.</param>
/// <param name="File">The file asked for.</param>
/// <param name="Source">The source or the spool it came from; null when it was not found.</param>
/// <param name="RawBytes">Bytes written; 0 when it was not found.</param>
/// <param name="FromSpool">Whether it was prefetched.</param>
/// <param name="Elapsed">How long it took, waiting included.</param>
public sealed record WalRestoreResult(
    WalRestoreStatus Status, WalFileName File, string? Source, long RawBytes, bool FromSpool, TimeSpan Elapsed);

/// <summary>How a restore ended.</summary>
public enum WalRestoreStatus
{
    /// <summary>The file is in place, complete and validated.</summary>
    Restored,

    /// <summary>Every source answered and none holds the file, or the end of recovery was asked for.</summary>
    NotFound,
}
