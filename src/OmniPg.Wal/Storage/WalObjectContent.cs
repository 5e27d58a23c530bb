namespace OmniPg.Wal;

/// <summary>What was written into an object, known only after its last byte.</summary>
/// <param name="Sha256">SHA-256 of the uncompressed content, 64 lower-case hex digits.</param>
/// <param name="RawBytes">Size of the uncompressed content.</param>
/// <param name="StoredBytes">Size of the object as stored.</param>
public readonly record struct WalObjectContent(string Sha256, long RawBytes, long StoredBytes);
