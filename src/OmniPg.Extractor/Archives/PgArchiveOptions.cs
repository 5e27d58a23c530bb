namespace OmniPg.Extractor;

/// <summary>Limits against damaged and hostile archives, and buffer size.</summary>
/// <remarks>No memory is reserved because of a length that the archive merely claims: buffers grow as bytes arrive.</remarks>
public sealed class PgArchiveOptions : ICheckedOptions
{
    /// <summary>Most entries a table of contents may have. Default 10 million; at least 1.</summary>
    public int MaxEntries { get; set; } = 10_000_000;

    /// <summary>Longest text of an entry in bytes. Default 512 MiB; 1 to 1 GiB − 64.</summary>
    public int MaxTextBytes { get; set; } = 512 * 1024 * 1024;

    /// <summary>Largest table of contents in bytes. Default 4 GiB; at least 1.</summary>
    public long MaxTocBytes { get; set; } = 4L * 1024 * 1024 * 1024;

    /// <summary>Size of the read buffer in bytes. Default 64 KiB; 256 bytes to 16 MiB. It grows only for entries larger than it.</summary>
    public int BufferBytes { get; set; } = 64 * 1024;

    /// <summary>Whether a stream handed in stays open when the archive is disposed. Default false.</summary>
    public bool LeaveOpen { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.AtLeast<int>(MaxEntries, 1);
        check.Range<int>(MaxTextBytes, 1, (1024 * 1024 * 1024) - 64);
        check.AtLeast<long>(MaxTocBytes, 1);
        check.Range<int>(BufferBytes, 256, 16 * 1024 * 1024);
    }
}
