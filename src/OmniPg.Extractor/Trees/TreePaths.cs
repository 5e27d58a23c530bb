using System.Text;

namespace OmniPg.Extractor;

/// <summary>Where a tree and its helpers live. Lock and staging stand beside the root, or inside it when the place beside it is not usable.</summary>
internal sealed class TreePaths
{
    public const string ManifestName = "omnipg.manifest.json";
    private const string ProbePrefix = ".omnipg-probe-";

    public TreePaths(string root)
    {
        Root = Path.TrimEndingDirectorySeparator(ResolveLink(Path.GetFullPath(root)));
        var parent = Path.GetDirectoryName(Root)
            ?? throw new ArgumentException("A schema tree cannot be the root of a file system.", nameof(root));
        Parent = parent;
        HelperPrefix = "." + Path.GetFileName(Root) + ".omnipg-";
    }

    public string Root { get; }

    public string Parent { get; }

    public string Manifest => Path.Combine(Root, ManifestName);

    /// <summary>Start of the names of lock and staging beside the root; inside the root they start with <c>.omnipg-</c>.</summary>
    public string HelperPrefix { get; }

    /// <summary>Takes the exclusive right to write the tree.</summary>
    /// <returns>Null when another writer holds it.</returns>
    public FileLock? TryLock()
    {
        try
        {
            return FileLock.TryAcquire(Path.Combine(Parent, HelperPrefix + "lock"));
        }
        catch (UnauthorizedAccessException) when (Directory.Exists(Root))
        {
            // The place beside the tree is not ours; inside the tree is the next best.
            return FileLock.TryAcquire(Path.Combine(Root, PrefixIn(Root) + "lock"));
        }
    }

    public string NewStagingIn(string directory) =>
        Path.Combine(directory, PrefixIn(directory) + "tmp-" + Path.GetRandomFileName().Replace(".", "", StringComparison.Ordinal));

    /// <summary>Staging directories of this tree that exist now: at most one of a running writer, others of writers that died.</summary>
    public IReadOnlyList<string> FindStaging() => [.. StagingIn(Parent), .. StagingIn(Root)];

    /// <summary>A file of the tree's folder that exists for a moment only, to find out whether one can be renamed into it.</summary>
    public string NewProbe() => Path.Combine(Root, ProbePrefix + Path.GetRandomFileName());

    /// <summary>Probes of writers that died.</summary>
    public IReadOnlyList<string> FindProbes() => Directory.Exists(Root) ? Directory.GetFiles(Root, ProbePrefix + "*") : [];

    /// <summary>Full path of a file of the tree; refuses whatever would leave the root.</summary>
    public string Full(string relative)
    {
        var full = Path.GetFullPath(Path.Combine(Root, relative));
        return full.StartsWith(Root + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? full
            : throw new TreeConflictException(relative, $"The path '{relative}' leaves the tree '{Root}'.");
    }

    private string PrefixIn(string directory) => directory == Root ? ".omnipg-" : HelperPrefix;

    private string[] StagingIn(string directory) => Directory.Exists(directory)
        ? Directory.GetDirectories(directory, PrefixIn(directory) + "tmp-*")
        : [];

    private static string ResolveLink(string path) =>
        Directory.Exists(path) ? Directory.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path : path;
}

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
