namespace OmniPg.Wal;

/// <summary>One segment of a sequence to read.</summary>
/// <param name="Name">Its name.</param>
/// <param name="OpenAsync">Opens its uncompressed content; the reader disposes the stream.</param>
public sealed record WalSegmentSource(WalFileName Name, Func<CancellationToken, Task<Stream>> OpenAsync)
{
    /// <summary>A plain file whose name is that of the segment.</summary>
    /// <param name="path">Path of the file.</param>
    /// <returns>The source.</returns>
    /// <exception cref="FormatException">The last part of <paramref name="path"/> is not the name of a WAL file.</exception>
    public static WalSegmentSource FromFile(string path) => new(
        WalFileName.Parse(Path.GetFileName(path.AsSpan())),
        _ => Task.FromResult<Stream>(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1)));
}
