using System.Globalization;
using System.IO.Enumeration;
using System.Text.RegularExpressions;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Which files of a data directory belong into a base backup: all but what a restored server must not have, or makes anew.</summary>
/// <param name="dataDirectory">The data directory.</param>
/// <param name="statistics">The server's <c>stats_temp_directory</c>, which PostgreSQL 15 has no more; null where the server does not tell it.</param>
/// <param name="exclude">Patterns of files and folders that are not the server's, by their paths in the data directory; null leaves none of them out.</param>
/// <remarks>The list of the server's own base backup (<c>src/backend/backup/basebackup.c</c>, up to PostgreSQL 14 <c>src/backend/replication</c>), and <c>log</c>.</remarks>
internal sealed partial class ClusterFiles(string dataDirectory, string? statistics = null, IReadOnlyList<string>? exclude = null)
{
    public const string TablespaceFolder = "pg_tblspc";
    public const string LabelFile = "backup_label";
    public const string MapFile = "tablespace_map";
    public const string RecoverySignal = "recovery.signal";
    public const string StandbySignal = "standby.signal";

    /// <summary>
    /// Lies in each folder that a copy of a cluster fills, from before the first change to after the last. Its lines: whose copy it is to be and which call makes it; its data directory; the
    /// processes that changed something.
    /// </summary>
    public const string CopyMark = ".omnipg-synch";

    private const string WalFolder = "pg_wal";

    // excludeDirContents: they are there, and empty. pg_stat_tmp has no entry since PostgreSQL 15, and is left out by name of old.
    private static readonly HashSet<string> EmptyFolders = ["pg_stat_tmp", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans", "log"];

    // perform_base_backup: within the data directory its contents are left out too.
    private readonly string? _statistics = statistics is null ? null
        : Path.TrimEndingDirectorySeparator(Path.GetRelativePath(Path.GetFullPath(dataDirectory), Path.GetFullPath(statistics, Path.GetFullPath(dataDirectory)))).Replace('\\', '/');

    private static readonly string[] WalFolders = ["archive_status", "summaries"];

    private static readonly HashSet<string> LeftOut =
    [
        "postmaster.pid", "postmaster.opts", "postgresql.auto.conf.tmp", "current_logfiles.tmp", "current_logfiles",
        LabelFile, LabelFile + ".old", MapFile, MapFile + ".old", BackupManifest.FileName, RecoverySignal, StandbySignal, CopyMark,
    ];

    /// <summary>The links in <c>pg_tblspc</c>. A folder there is a tablespace in place (<c>allow_in_place_tablespaces</c>) and part of the data directory.</summary>
    /// <exception cref="WalBackupException">A link leads nowhere.</exception>
    public IReadOnlyList<BackupTablespace> Tablespaces()
    {
        var found = new List<BackupTablespace>();
        foreach (var entry in new DirectoryInfo(Path.Combine(dataDirectory, TablespaceFolder)).EnumerateFileSystemInfos())
        {
            if (entry.LinkTarget is not { } location || !uint.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var oid))
                continue;
            if (!Directory.Exists(entry.FullName))
                throw new WalBackupException("wal.backup.tablespace", $"The tablespace '{oid}' leads to '{location}', which is no folder that can be read.", "Mount its storage, or read the folder as the server's account.");
            // A link that is relative counts from where it lies, on any other machine too.
            found.Add(new BackupTablespace(oid, Path.GetFullPath(location, Path.Combine(Path.GetFullPath(dataDirectory), TablespaceFolder))));
        }

        found.Sort(static (a, b) => a.Oid.CompareTo(b.Oid));
        return found;
    }

    /// <summary>The files of one tablespace: those of this server's version, because another one may have files below the same folder.</summary>
    public IEnumerable<TarMember> OfTablespace(BackupTablespace tablespace, int pgVersion)
    {
        var root = Path.Combine(dataDirectory, TablespaceFolder, tablespace.Oid.ToString(CultureInfo.InvariantCulture));
        // TABLESPACE_VERSION_DIRECTORY (relpath.h): PG_15_202209061.
        var folders = Entries(root).FindAll(e => e is DirectoryInfo && e.Name.StartsWith($"PG_{pgVersion}_", StringComparison.Ordinal));
        // It is there from CREATE to DROP TABLESPACE: an empty folder is one whose storage is not mounted.
        if (folders.Count == 0 && new DirectoryInfo(root).LinkTarget is not null)
            throw new WalBackupException("wal.backup.tablespace", $"The tablespace '{tablespace.Oid}' in '{tablespace.Location}' holds nothing of PostgreSQL {pgVersion}.", "Mount its storage; when it was dropped just now, begin again.");
        foreach (var folder in folders)
        {
            yield return new TarMember(folder.Name, TarKind.Directory) { FullPath = folder.FullName };
            foreach (var below in Walk(folder.FullName, folder.Name + "/", $"{TablespaceFolder}/{tablespace.Oid}/"))
                yield return below;
        }
    }

    /// <summary>The files of the data directory, without <c>global/pg_control</c>, which is to be read last.</summary>
    public IEnumerable<TarMember> OfDataDirectory() => Walk(dataDirectory, "", "");

    private IEnumerable<TarMember> Walk(string folder, string prefix, string manifestPrefix)
    {
        var names = Entries(folder);
        var unlogged = UnloggedIn(names);
        foreach (var entry in names)
        {
            var path = prefix + entry.Name;
            if (IsLeftOut(path, entry.Name, unlogged) || FileIncrement.FileOf(path) is not null || (manifestPrefix.Length == 0 && IsExcluded(path)))
                continue;
            if (IsFolder(entry))
            {
                yield return new TarMember(path, TarKind.Directory) { FullPath = entry.FullName };
                foreach (var below in Below(entry, path, manifestPrefix))
                    yield return below;
            }
            else if (path != ControlPath && FileOf(entry, prefix.Length == 0, prefix == TablespaceFolder + "/") is { } file)
            {
                yield return new TarMember(path, TarKind.File) { FullPath = file, ManifestPath = manifestPrefix + path };
            }
        }
    }

    private IEnumerable<TarMember> Below(FileSystemInfo folder, string path, string manifestPrefix)
    {
        if (EmptyFolders.Contains(path) || path == _statistics)
            return [];
        if (path == WalFolder)
        {
            // Made anew where they are missing, but by some versions only.
            return WalFolders.Select(name => Path.Combine(folder.FullName, name)).Where(Directory.Exists)
                .Select(full => new TarMember($"{WalFolder}/{Path.GetFileName(full)}", TarKind.Directory) { FullPath = full });
        }

        return Walk(folder.FullName, path + "/", manifestPrefix);
    }

    /// <returns>The file to read; null for a socket, a pipe, and a link that is none of the server's files.</returns>
    private static string? FileOf(FileSystemInfo entry, bool isAtTop, bool isTablespace)
    {
        if (entry.LinkTarget is null)
        {
            var isThere = FileStat.TryGet(entry.FullName, out var stat);
            // Such a name does not come back to the same file, and what seems to have vanished is there.
            if (!isThere && entry.Name.Contains('\uFFFD', StringComparison.Ordinal))
                throw WalInputException.Unreadable(entry.FullName, new FileNotFoundException("its name is not UTF-8."));
            return isThere && !stat.IsRegular ? null : entry.FullName;
        }

        // At the top lie links to configuration and keys, which belong to the machine. Below, all is data that somebody moved to another disk.
        if (isAtTop || isTablespace)
            return null;
        var file = entry.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
        return File.Exists(file) ? file : throw WalInputException.Unreadable(entry.FullName, new FileNotFoundException($"its link leads to '{file}', which is not there."));
    }

    // A folder that has vanished was dropped with its database.
    private static List<FileSystemInfo> Entries(string folder)
    {
        try
        {
            return [.. new DirectoryInfo(folder).EnumerateFileSystemInfos().OrderBy(e => e.Name, StringComparer.Ordinal)];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
        catch (UnauthorizedAccessException refused)
        {
            throw WalInputException.Unreadable(folder, refused);
        }
    }

    // pg_wal may be a link to another disk, and so may any folder that an operator moved; tablespaces have tar files of their own.
    private static bool IsFolder(FileSystemInfo entry) => entry.LinkTarget is null
        ? entry is DirectoryInfo
        : Directory.Exists(entry.FullName) && Path.GetFileName(Path.GetDirectoryName(entry.FullName)) != TablespaceFolder;

    private static bool IsLeftOut(string path, string name, HashSet<string> unlogged) =>
        LeftOut.Contains(path) || name.StartsWith("pgsql_tmp", StringComparison.Ordinal) || name.StartsWith("pg_internal.init", StringComparison.Ordinal)
        || TemporaryRelation().IsMatch(name)
        || (Relation().Match(name) is { Success: true } relation && relation.Groups["fork"].Value != "_init" && unlogged.Contains(relation.Groups["number"].Value));

    /// <summary>Whether a path, or a pattern of paths, begins with what the server has made or cannot start without.</summary>
    public static bool IsServers(string path) => path.Split('/')[0] is "base" or "global" or "PG_VERSION" or ['p', 'g', '_', ..] or ['p', 'o', 's', 't', 'g', 'r', 'e', 's', 'q', 'l', '.', ..];

    private bool IsExcluded(string path) => exclude is { Count: > 0 } && !IsServers(path) && exclude.Any(p => FileSystemName.MatchesSimpleExpression(p, path, ignoreCase: false));

    // An unlogged relation is the one that has an init fork; recovery makes its other forks from that.
    private static HashSet<string> UnloggedIn(List<FileSystemInfo> entries) =>
        [.. entries.Where(e => e.Name.EndsWith("_init", StringComparison.Ordinal)).Select(e => e.Name[..^"_init".Length])];

    private static string ControlPath { get; } = PgControlFile.RelativePath.Replace('\\', '/');

    [GeneratedRegex(@"^t\d+_\d+(_[a-z]+)?(\.\d+)?$")]
    private static partial Regex TemporaryRelation();

    [GeneratedRegex(@"^(?<number>\d+)(?<fork>_[a-z]+)?(\.\d+)?$")]
    private static partial Regex Relation();
}
