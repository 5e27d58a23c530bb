using System.Buffers;

namespace OmniPg.Extractor;

/// <summary>Opens a file of a directory archive, with or without the suffix of its compression.</summary>
internal static class DirectoryFile
{
    private static readonly SearchValues<char> Forbidden = SearchValues.Create("/\\:\0\r\n");

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

    /// <summary>A file name that the table of contents or the list of large objects gives: it must stay in the archive's directory.</summary>
    public static string CheckName(string name, ArchiveLocation location)
    {
        var isPlain = name.Length is > 0 and <= 255 && !name.AsSpan().ContainsAny(Forbidden) && name is not ("." or "..");
        return isPlain ? name : throw new ArchiveFormatException(location, "the file name is not a plain name within the archive's directory");
    }
}
