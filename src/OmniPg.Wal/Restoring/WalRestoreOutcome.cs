namespace OmniPg.Wal;

/// <summary>What a restore did.</summary>
/// <param name="Status">Restored or not found.</param>
/// <param name="File">The file asked for.</param>
/// <param name="Source">The source or the spool it came from; null when it was not found.</param>
/// <param name="RawBytes">Bytes written; 0 when it was not found.</param>
/// <param name="FromSpool">Whether it was prefetched.</param>
/// <param name="Elapsed">How long it took, waiting included.</param>
public sealed record WalRestoreOutcome(
    WalRestoreStatus Status, WalFileName File, string? Source, long RawBytes, bool FromSpool, TimeSpan Elapsed);
