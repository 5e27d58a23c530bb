namespace OmniPg.Wal;

/// <summary>How far a copy has come.</summary>
/// <param name="Key">The object that was copied or compared last.</param>
/// <param name="Files">Objects so far.</param>
/// <param name="StoredBytes">Their bytes, as they are stored.</param>
public readonly record struct RepositoryCopyProgress(string Key, long Files, long StoredBytes);

/// <summary>What a copy of a repository brought.</summary>
/// <param name="Copied">Objects that were written, and read again.</param>
/// <param name="Present">Objects that were there already, equal.</param>
/// <param name="StoredBytes">Bytes of both, as they are stored.</param>
/// <param name="Unread">Encrypted WAL files that were copied byte for byte and not validated, because no key was given.</param>
/// <param name="Backups">The backups that count in the new place.</param>
/// <param name="Problems">What was left out, and why: a file or a part that is not valid, or that lies in the new place with other content.</param>
public sealed record RepositoryCopyResult(long Copied, long Present, long StoredBytes, long Unread, IReadOnlyList<BackupInfo> Backups, IReadOnlyList<string> Problems)
{
    /// <summary>
    /// Segments that are still being received (<c>.partial</c>) of which the new place holds another state of the same WAL: it stays as it is, and the complete segment is copied when there is one.
    /// </summary>
    public long Growing { get; init; }

    /// <summary>Whether nothing was left out.</summary>
    public bool IsGood => Problems.Count == 0;
}
