namespace OmniPg.Extractor;

/// <summary>Where the data of an entry is stored: a position in a custom archive, or a file of a directory archive.</summary>
internal readonly record struct TocDataLocation(long Position, string? FileName)
{
    /// <summary>Not recorded, because the archive was written to a pipe; or there is no data.</summary>
    public static TocDataLocation Unknown { get; } = new(0, null);
}
