namespace OmniPg.Extractor;

/// <summary>Limits against damaged and hostile archives, and buffer size.</summary>
/// <remarks>No memory is reserved because of a length that the archive merely claims: buffers grow as bytes arrive.</remarks>
public sealed record PgArchiveOptions
{
    /// <summary>Most entries a table of contents may have. Default 10 million; at least 1.</summary>
    public int MaxEntries { get; init; } = 10_000_000;

    /// <summary>Longest text of an entry in bytes. Default 512 MiB; 1 to 1 GiB − 64.</summary>
    public int MaxTextBytes { get; init; } = 512 * 1024 * 1024;

    /// <summary>Largest table of contents in bytes. Default 4 GiB; at least 1.</summary>
    public long MaxTocBytes { get; init; } = 4L * 1024 * 1024 * 1024;

    /// <summary>Size of the read buffer in bytes. Default 64 KiB; 256 bytes to 16 MiB. It grows only for entries larger than it.</summary>
    public int BufferBytes { get; init; } = 64 * 1024;

    /// <summary>Whether a stream handed in stays open when the archive is disposed. Default false.</summary>
    public bool LeaveOpen { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxEntries, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxTextBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxTextBytes, (1024 * 1024 * 1024) - 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxTocBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(BufferBytes, 256);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(BufferBytes, 16 * 1024 * 1024);
    }
}
