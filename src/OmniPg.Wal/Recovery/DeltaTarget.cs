using System.Globalization;
using System.Text;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// The folders of a restore onto what is there. None is touched but an empty one, the data directory of the backup's cluster while no server runs on it, the tablespaces that its links lead to, and what an interrupted restore of this
/// kind has left. Each is marked from before its first change until all is right, and <c>global/pg_control</c> goes first: nothing starts on what lies in between, and the mark says what it is.
/// </summary>
/// <param name="backup">The backup.</param>
/// <param name="keepsFiles">Whether files that are equal to the last byte stay.</param>
/// <param name="directory">The data directory.</param>
/// <param name="tablespaces">Tablespaces by oid, with their folders.</param>
internal sealed class DeltaTarget(BackupInfo backup, bool keepsFiles, string directory, IReadOnlyList<(uint Oid, string Folder)> tablespaces)
{
    private const string ProcessFile = "postmaster.pid";
    private readonly string _control = Path.Combine(directory, PgControlFile.RelativePath);

    private IEnumerable<string> Folders => tablespaces.Select(t => t.Folder).Prepend(directory);

    private string System => backup.SystemIdentifier.ToString(CultureInfo.InvariantCulture);

    public bool KeepsFiles => keepsFiles;

    /// <summary>How many files were there as they should be.</summary>
    public long KeptFiles { get; private set; }

    public void Kept(long files) => KeptFiles += files;

    /// <summary>Whether a folder holds anything.</summary>
    public static bool IsEmpty(string folder) => !Directory.Exists(folder) || Directory.EnumerateFileSystemEntries(folder).All(e => Path.GetFileName(e) == TarExtractor.LostAndFound);

    /// <summary>Looks at all folders, and changes nothing.</summary>
    /// <exception cref="WalBackupException">One holds something else.</exception>
    public void Require()
    {
        if (!IsEmpty(directory))
            RequireOwnData();
        foreach (var (oid, folder) in tablespaces.Where(t => !IsEmpty(t.Folder)))
            RequireOwnTablespace(oid, folder);
    }

    /// <summary>Marks the folders, durably; then the cluster that was there is none any more.</summary>
    public void Begin()
    {
        foreach (var folder in Folders)
        {
            var mark = Path.Combine(folder, TarExtractor.Mark);
            File.Delete(mark);
            using (var file = new FileStream(mark, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0))
            {
                file.Write(Encoding.ASCII.GetBytes(System + "\n"));
                DurableFile.FlushToDisk(file.SafeFileHandle);
            }

            DurableFile.FlushDirectory(folder);
        }

        if (!File.Exists(_control))
            return;
        File.Delete(_control);
        DurableFile.FlushDirectory(Path.GetDirectoryName(_control)!);
    }

    /// <summary>Takes the marks away, when nothing but the name of <c>global/pg_control</c> is missing: by that a restore that ends here is known, too.</summary>
    public void End()
    {
        foreach (var folder in Folders)
        {
            File.Delete(Path.Combine(folder, TarExtractor.Mark));
            DurableFile.FlushDirectory(folder);
        }
    }

    private void RequireOwnData()
    {
        if (File.Exists(Path.Combine(directory, ProcessFile)))
            throw Refused(directory, $"a server runs there, or was killed: it holds '{ProcessFile}'", $"Stop the server; remove '{ProcessFile}' when none runs there.");
        if (SystemOf() is not { } found)
            throw Refused(directory, "it is neither empty nor a data directory, nor what an interrupted restore onto one has left", "Name the data directory of the backup's cluster, or an empty folder.");
        if (found != System)
            throw Refused(directory, $"it belongs to cluster '{found}', and the backup is of '{System}'", "Name the data directory of the backup's cluster, or an empty folder.");
    }

    private string? SystemOf()
    {
        if (MarkOf(directory) is { } marked)
            return marked;
        // The control file, or the one that waits for its name at the very end of a restore.
        foreach (var path in (string[])[_control, _control + TarExtractor.HeldBack])
        {
            if (FileStat.TryGet(path, out var stat) && stat.IsRegular)
                return PgControlFile.Parse(File.ReadAllBytes(path), path).SystemIdentifier.ToString(CultureInfo.InvariantCulture);
        }

        return null;
    }

    private void RequireOwnTablespace(uint oid, string folder)
    {
        if (MarkOf(folder) != System)
        {
            var link = new DirectoryInfo(Path.Combine(directory, ClusterFiles.TablespaceFolder, oid.ToString(CultureInfo.InvariantCulture))).LinkTarget;
            if (link is null || Path.TrimEndingDirectorySeparator(Path.GetFullPath(link, Path.Combine(directory, ClusterFiles.TablespaceFolder))) != folder)
                throw Refused(folder, $"it is not empty, and no link in '{directory}' leads to it", "Map the tablespace to the folder that it has there, or to an empty one.");
        }

        // Servers of other versions may have theirs below the same folder.
        var own = $"PG_{backup.PgVersion}_";
        var other = Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).FirstOrDefault(n => n != TarExtractor.Mark && n != TarExtractor.LostAndFound && !n!.StartsWith(own, StringComparison.Ordinal));
        if (other is not null)
            throw Refused(folder, $"it holds '{other}', which is not of PostgreSQL {backup.PgVersion}", "Move that away, or map the tablespace to an empty folder.");
    }

    private static string? MarkOf(string folder) =>
        FileStat.TryGet(Path.Combine(folder, TarExtractor.Mark), out var stat) && stat.IsRegular ? File.ReadLines(Path.Combine(folder, TarExtractor.Mark)).FirstOrDefault() : null;

    private static WalBackupException Refused(string folder, string what, string hint) => WalBackupException.Target(folder, what, hint);
}
