namespace OmniPg.Wal;

/// <summary>How far reading through an archive has come.</summary>
/// <param name="Done">Files read.</param>
/// <param name="Total">Files to read.</param>
/// <param name="RawBytes">Uncompressed bytes read.</param>
/// <param name="Current">The file just read.</param>
public readonly record struct WalScanProgress(long Done, long Total, long RawBytes, WalFileName Current);
