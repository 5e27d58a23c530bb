namespace OmniPg.Wal;

/// <summary>A destination holds a file of that name with other content. Nothing was written anywhere. Code <c>wal.archive.conflict</c>.</summary>
public sealed class WalConflictException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="file">Name of the WAL file.</param>
    /// <param name="destination">The destination that holds the other content.</param>
    /// <param name="sourceSha256">SHA-256 of the file to archive; as it would be stored, where rsync compared that.</param>
    /// <param name="storedSha256">SHA-256 of the stored file's uncompressed content, or why it has none.</param>
    public WalConflictException(string file, string destination, string sourceSha256, string storedSha256)
        : base(
            "wal.archive.conflict",
            $"'{file}' is stored in '{destination}' with other content: SHA-256 '{storedSha256}' there, '{sourceSha256}' here.",
            "Both files are kept. Two clusters may share this archive, or this cluster was restored without a new timeline; find out before removing either.")
    {
        File = file;
        Destination = destination;
        SourceSha256 = sourceSha256;
        StoredSha256 = storedSha256;
    }

    /// <summary>SHA-256 of the file to archive; as it would be stored, where rsync compared that.</summary>
    public string SourceSha256 { get; }

    /// <summary>SHA-256 of the stored file's uncompressed content, or why it has none.</summary>
    public string StoredSha256 { get; }
}
