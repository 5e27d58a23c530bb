using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// The folder where the tar files of <c>pg_basebackup</c> lie until they are stored. It lies below one of a fixed name, which is locked while it is in use, so that what a killed backup has left there is found, and
/// removed, by the next; its own name is new each time, so that a program which outlives its backup finds no file to open any more.
/// </summary>
internal sealed class BackupStaging : IDisposable
{
    private const string Name = "omnipg-staging";

    // While it is written, and where the server found damaged pages, the program has not given it its name.
    private static readonly string[] ManifestNames = [BackupManifest.FileName, BackupManifest.FileName + ".tmp"];

    private readonly FileLock _lock;

    private BackupStaging(string folder, FileLock held) => (Folder, _lock) = (folder, held);

    /// <summary>The folder, which is not there when it is opened: the program makes it.</summary>
    public string Folder { get; }

    /// <exception cref="WalBackupException">The folder cannot be used, or another backup uses it.</exception>
    public static BackupStaging Open(string parent)
    {
        parent = Path.GetFullPath(parent);
        FileLock? held = null;
        try
        {
            held = FileLock.TryAcquire(Path.Combine(parent, Name + ".lock")) ?? throw Unusable(parent, "another backup uses it", "Wait for its end, or name another folder.");
            var all = Path.Combine(parent, Name);
            Remove(all);
            return new BackupStaging(Path.Combine(all, Guid.NewGuid().ToString("N")), held);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            held?.Dispose();
            throw Unusable(parent, refused.Message, "Name a folder that this account can write, with room for the whole cluster.", refused);
        }
    }

    /// <summary>Opens one of the files.</summary>
    /// <exception cref="WalBackupException">The program has not written it.</exception>
    public FileStream Read(string name)
    {
        try
        {
            return new FileStream(Path.Combine(Folder, name), FileMode.Open, FileAccess.Read, FileShare.Read, 0);
        }
        catch (FileNotFoundException missing)
        {
            throw new WalBackupException("wal.backup.tablespace", $"pg_basebackup wrote no '{name}': a tablespace was dropped while the backup began.", "Begin again.", missing);
        }
    }

    /// <summary>How many bytes of the tar file of the data directory come before its end mark, and what is to follow in place of that: the manifest, which the program writes beside tar files, and into them only in a pipe.</summary>
    /// <exception cref="WalBackupException">The file has no end mark, or the manifest is missing.</exception>
    public (long Bytes, byte[] Tail) TailOf(FileStream tar)
    {
        const int mark = 2 * TarFormat.BlockBytes;
        var end = new byte[mark];
        if (tar.Length < mark || RandomAccess.Read(tar.SafeFileHandle, end, tar.Length - mark) != mark || end.AsSpan().ContainsAnyExcept((byte)0))
            throw ServerTar.Unusable($"'{tar.Name}' has no end mark.");
        var path = Array.Find(Array.ConvertAll(ManifestNames, name => Path.Combine(Folder, name)), File.Exists) ?? throw ServerTar.Unusable($"'{Folder}' holds no '{BackupManifest.FileName}'.");
        var manifest = File.ReadAllBytes(path);
        var header = new TarHeader(BackupManifest.FileName, TarKind.File, manifest.Length, UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetLastWriteTimeUtc(path)) { Owner = FileStat.OwnerOf(path) };
        return (tar.Length - mark, [.. TarFormat.Write(header), .. manifest, .. new byte[TarFormat.PaddingOf(manifest.Length) + mark]]);
    }

    public void Dispose()
    {
        try
        {
            Remove(Path.GetDirectoryName(Folder)!);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // The backup is stored by now, or failed for a better reason; the next one removes the files.
        }

        _lock.Dispose();
    }

    // Nothing but what such programs write there: a folder of that name with anything else in it is somebody's, and stays as it is.
    private static void Remove(string all)
    {
        var folder = new DirectoryInfo(all);
        if (!folder.Exists)
            return;
        if (new[] { folder }.Concat(folder.EnumerateFileSystemInfos("*", SearchOption.AllDirectories)).FirstOrDefault(entry => !IsOurs(entry)) is { } other)
            throw new IOException($"'{other.FullName}' is none of a backup's files.");
        folder.Delete(recursive: true);

        bool IsOurs(FileSystemInfo entry) => entry.LinkTarget is null
            && (entry is DirectoryInfo ? entry.FullName == folder.FullName || Guid.TryParseExact(entry.Name, "N", out _) : entry.Extension == ".tar" || ManifestNames.Contains(entry.Name));
    }

    private static WalBackupException Unusable(string folder, string what, string hint, Exception? inner = null) =>
        new("wal.backup.staging", $"The staging folder '{folder}' cannot be used: {what.TrimEnd('.')}.", hint, inner);
}
