using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// Lets the pump write a tar file into a folder. Files get their names as they come, but for <c>global/pg_control</c>: without it no server starts, so it
/// gets its name when all else is known to be right.
/// </summary>
/// <param name="root">The folder.</param>
/// <param name="isUpdate">Whether the folder holds an older backup, of which the tar file holds the changes.</param>
/// <param name="leftOut">Members that are not written but kept (<see cref="Kept"/>).</param>
internal sealed class TarExtractor(string root, bool isUpdate = false, params IReadOnlyList<string> leftOut) : TarParser, IObjectSink, IObjectWriter
{
    public const string HeldBack = ".omnipg-restoring";

    /// <summary>What mkfs leaves at the top of a file system.</summary>
    public const string LostAndFound = "lost+found";

    // The kernel would begin when a tenth of the memory is dirty, and the flush at the end would wait for nearly all of it.
    private const long FlushedTogether = 8 << 20;

    private static readonly string ControlPath = PgControlFile.RelativePath.Replace('\\', '/');
    private readonly Dictionary<string, MemoryStream> _kept = new(StringComparer.Ordinal);
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);
    private Stream? _content;
    private long _flushing;
    private FileIncrement.Writer? _increment;

    public string Id => root;

    /// <summary>Contents of the members that were left out.</summary>
    public byte[]? Kept(string path) => _kept.GetValueOrDefault(path)?.ToArray();

    /// <summary>Removes what the older backup held, and the tar file that brought it up to date did not name.</summary>
    public void RemoveOthers() => RemoveOthers(root);

    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) => ValueTask.FromResult<IObjectWriter>(this);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Take(bytes.Span);
        return ValueTask.CompletedTask;
    }

    public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default) => IsComplete
        ? Task.FromResult(ObjectCommitResult.Created)
        : throw new InvalidDataException("The tar file ends in the middle.");

    public async ValueTask DisposeAsync()
    {
        _increment?.Dispose();
        if (_content is not null)
            await _content.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Begin(TarHeader header) => _content = Open(header);

    protected override void Append(ReadOnlySpan<byte> content)
    {
        _content?.Write(content);
        _increment?.Write(content);
        if (_content is FileStream file && file.Position - _flushing >= FlushedTogether)
        {
            Posix.BeginFlush(file.SafeFileHandle, _flushing, file.Position - _flushing);
            _flushing = file.Position;
        }
    }

    protected override void End(TarHeader header)
    {
        if (_content is FileStream file)
        {
            file.Dispose();
            Settle(file.Name, header);
        }

        if (_increment is not null)
        {
            _increment.Finish();
            _increment.Dispose();
            Settle(_increment.Path, header);
        }

        (_content, _increment) = (null, null);
    }

    private Stream? Open(TarHeader header)
    {
        if (header.Kind is TarKind.Other or TarKind.Link)
            return null;
        var path = PathOf(header.Path);
        if (header.Kind == TarKind.Directory)
        {
            MakeFolder(path);
            Settle(path, header);
            _written.Add(path);
            return null;
        }

        if (leftOut.Contains(header.Path))
        {
            var kept = new MemoryStream();
            _kept[header.Path] = kept;
            return kept;
        }

        MakeFolder(Path.GetDirectoryName(path)!);
        return OpenFile(header.Path == ControlPath ? path + HeldBack : path, header);
    }

    private void MakeFolder(string path)
    {
        // What was a file in the older backup.
        if (isUpdate && File.Exists(path))
            File.Delete(path);
        Directory.CreateDirectory(path);
    }

    private FileStream? OpenFile(string path, TarHeader header)
    {
        for (var folder = Path.GetDirectoryName(path); folder != root && folder is not null && _written.Add(folder);)
            folder = Path.GetDirectoryName(folder);
        if (isUpdate && FileIncrement.FileOf(header.Path) is { } whole)
        {
            var changed = PathOf(whole);
            _written.Add(changed);
            _increment = new FileIncrement.Writer(changed, header.Length);
            return null;
        }

        if (isUpdate && Directory.Exists(path))
            Directory.Delete(path, recursive: true);
        else if (isUpdate)
            File.Delete(path);
        _written.Add(path);
        _flushing = 0;
        return new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);
    }

    // As root the files get the owner that they had, because the server refuses to run as root and to use what is not its own.
    private static void Settle(string path, TarHeader header)
    {
        if (OperatingSystem.IsWindows())
            return;
        // Restored by root, a program that runs as root for everybody is nothing that a backup may bring.
        File.SetUnixFileMode(path, header.Mode & ~(UnixFileMode.SetUser | UnixFileMode.SetGroup | UnixFileMode.StickyBit));
        if (header.Kind == TarKind.File)
            File.SetLastWriteTimeUtc(path, header.Modified.UtcDateTime);
        if (Posix.EffectiveUser() == 0)
            Posix.ChangeOwner(path, header.Owner.User, header.Owner.Group);
    }

    private void RemoveOthers(string folder)
    {
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos())
        {
            if (folder == root && entry.Name == LostAndFound)
                continue;
            if (!_written.Contains(entry.FullName))
            {
                if (entry is DirectoryInfo { LinkTarget: null } unknown)
                    unknown.Delete(recursive: true);
                else
                    entry.Delete();
            }
            else if (entry is DirectoryInfo { LinkTarget: null })
            {
                RemoveOthers(entry.FullName);
            }
        }
    }

    private string PathOf(string path)
    {
        foreach (var part in path.Split('/'))
        {
            if (part is "" or "." or ".." || part.Contains('\0', StringComparison.Ordinal))
                throw new InvalidDataException($"The tar file holds a member '{path}', which leads out of the folder.");
        }

        return Path.Combine(root, path);
    }
}
