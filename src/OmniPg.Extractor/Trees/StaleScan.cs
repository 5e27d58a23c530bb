using System.Text;

namespace OmniPg.Extractor;

/// <summary>Finds <c>.sql</c> files of the tree that the current run does not write, and says whose they are.</summary>
internal static class StaleScan
{
    /// <param name="paths">The tree.</param>
    /// <param name="current">Paths this run writes.</param>
    /// <param name="earlier">Paths that the manifest of an earlier run names.</param>
    /// <returns>Path and whether an earlier run wrote it, sorted by path.</returns>
    public static IReadOnlyList<(string Path, bool IsOurs)> Run(TreePaths paths, IReadOnlySet<string> current, IReadOnlySet<string> earlier)
    {
        if (!Directory.Exists(paths.Root))
            return [];
        return [.. Files(new DirectoryInfo(paths.Root))
            .Select(file => (File: file, Path: Path.GetRelativePath(paths.Root, file.FullName).Replace('\\', '/')))
            .Where(file => !current.Contains(file.Path))
            .Select(file => (file.Path, earlier.Contains(file.Path) || CarriesMarker(file.File.FullName)))
            .OrderBy(static file => file.Path, StringComparer.Ordinal)];
    }

    /// <summary>Whether a file begins like one of ours, or of the original: pg_dump's header comment within its first lines.</summary>
    public static bool CarriesMarker(string path)
    {
        using var reader = new StreamReader(path, Encoding.UTF8);
        for (var lines = 0; lines < 50 && reader.ReadLine() is { } line; lines++)
        {
            if (BlockHeader.Announces(line))
                return BlockHeader.Parse(line) is not null;
        }
        return false;
    }

    private static IEnumerable<FileInfo> Files(DirectoryInfo folder)
    {
        foreach (var item in folder.EnumerateFileSystemInfos())
        {
            if (item.Name.StartsWith('.') || item.LinkTarget is not null)
                continue;
            if (item is DirectoryInfo inner)
            {
                foreach (var file in Files(inner))
                    yield return file;
            }
            else if (item.Name.EndsWith(".sql", StringComparison.Ordinal))
            {
                yield return (FileInfo)item;
            }
        }
    }
}
