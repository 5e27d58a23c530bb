namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Opens a file of a directory archive, with or without the suffix of its compression.</summary>
internal static class DirectoryFile
{
    private static readonly (string Suffix, ArchiveCompression Compression)[] Suffixes =
    [
        ("", ArchiveCompression.None),
        (".gz", ArchiveCompression.Gzip),
        (".lz4", ArchiveCompression.Lz4),
        (".zst", ArchiveCompression.Zstd),
    ];

    /// <param name="directory">The archive.</param>
    /// <param name="name">Name of the file, without suffix.</param>
    /// <param name="entryIndex">Place of the entry, for errors.</param>
    /// <param name="mayBeEmpty">Whether a file of no bytes stands for no content: lz4 and zstd write no frame for an empty large object (compress_lz4.c, compress_zstd.c). Rows always have an end line.</param>
    public static Stream Open(string directory, string name, int? entryIndex, bool mayBeEmpty = false)
    {
        foreach (var (suffix, compression) in Suffixes)
        {
            var path = Path.Combine(directory, name + suffix);
            if (!File.Exists(path))
                continue;
            var file = new FileStream(path, new FileStreamOptions { BufferSize = 64 * 1024, Options = FileOptions.Asynchronous | FileOptions.SequentialScan });
            if (mayBeEmpty && file.Length == 0)
                return file;
            return Decompression.OpenFile(compression, file, () => new ArchiveLocation(file.CanRead ? file.Position : 0, entryIndex, name + suffix));
        }
        throw new ArchiveFormatException(new ArchiveLocation(0, entryIndex, name), $"the file '{name}' is missing in '{directory}'");
    }
}
