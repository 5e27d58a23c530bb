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

    /// <summary>
    /// How far the WAL in segments that are not complete goes here and there, in the order of their names: the last thing that a receiver got from a server that is gone. Those whose complete segment the archive holds
    /// are left out.
    /// </summary>
    public IReadOnlyList<RepositoryCopyPartial> Partials { get; init; } = [];

    /// <summary>Whether nothing was left out.</summary>
    public bool IsGood => Problems.Count == 0;
}

/// <summary>A segment that is not complete (<c>.partial</c>), in the archive and in the new place.</summary>
/// <param name="Name">The segment's file.</param>
/// <param name="CopiedTo">End of the last whole record in the new place; null when it cannot be told, as of an encrypted one whose key was not given.</param>
/// <param name="ArchiveEnd">End of the last whole record in the archive when it was read; null likewise.</param>
public sealed record RepositoryCopyPartial(WalFileName Name, NpgsqlTypes.NpgsqlLogSequenceNumber? CopiedTo, NpgsqlTypes.NpgsqlLogSequenceNumber? ArchiveEnd)
{
    /// <summary>Whether the archive holds WAL that the new place does not. Nothing is replaced there: the complete segment is copied when there is one, and one of a server that is gone never comes.</summary>
    public bool IsBehind => ArchiveEnd > CopiedTo;
}
