namespace OmniPg.Wal;

/// <summary>How far the archiving of one file has come.</summary>
/// <param name="File">The file.</param>
/// <param name="BytesRead">Bytes read so far.</param>
/// <param name="TotalBytes">Size of the file.</param>
public readonly record struct WalProgress(WalFileName File, long BytesRead, long TotalBytes);
