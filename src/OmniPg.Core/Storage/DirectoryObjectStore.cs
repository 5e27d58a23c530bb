using System.Globalization;
using System.IO.Enumeration;
using System.Runtime.CompilerServices;
using OmniPg.Shared;

namespace OmniPg;

/// <summary>Keeps objects as files of a directory: complete, flushed and never replaced.</summary>
/// <remarks>
/// The directory itself must exist: creating it could fill the disk below an unmounted mount point. Directories that keys name are made as
/// needed. The <c>lost+found</c> of a disk whose root the directory is belongs to the file system: it is passed over, and no key may begin with it. Thread
/// safe; several processes may write to one directory.
/// </remarks>
public sealed class DirectoryObjectStore : IObjectStore
{
    // Belongs to the file system and to root alone: the root of every ext4 disk has one (mke2fs(8)), and no store has written there.
    private const string LostAndFound = "lost+found";

    private const int SmallBytes = 8 * 1024;

    private readonly FileSystem _files;
    private readonly UnixFileMode _fileMode;

    /// <summary>Makes a store over a directory; nothing is touched yet.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="fileMode">Permissions of new files on Unix, before the umask. Default: owner reads and writes.</param>
    public DirectoryObjectStore(string path, UnixFileMode fileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
        : this(path, fileMode, FileSystem.Real)
    {
    }

    internal DirectoryObjectStore(string path, UnixFileMode fileMode, FileSystem files)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        _fileMode = fileMode;
        _files = files;
    }

    /// <summary>Full path of the directory.</summary>
    public string Root { get; }

    /// <inheritdoc/>
    public string Id => $"directory:{Root}";

    /// <inheritdoc/>
    public Task<string> IdentifyAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // With the dot it is the directory itself, where the name is a symbolic link to it.
        if (FileStat.TryGet(Path.Combine(Root, "."), out var stat))
            return Task.FromResult(string.Create(CultureInfo.InvariantCulture, $"device {stat.Device >> 32}:{(uint)stat.Device} inode {stat.Inode}"));
        throw NotThere();
    }

    /// <inheritdoc/>
    /// <exception cref="DirectoryNotFoundException">The directory is gone, for example because it is not mounted.</exception>
    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(key);
        var directory = Path.GetDirectoryName(path)!;
        if (directory != Root && !Directory.Exists(directory))
        {
            RequireRoot();
            _files.CreateDirectory(directory);
        }

        var temporary = DurableFile.TemporaryNameFor(path);
        return new ValueTask<IObjectWriter>(new Writer(this, _files.CreateNew(temporary, _fileMode), temporary, path, info.Modified));
    }

    /// <inheritdoc/>
    public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            var options = new FileStreamOptions { Share = FileShare.Read | FileShare.Delete, BufferSize = 0, Options = FileOptions.SequentialScan };
            return Task.FromResult<Stream?>(ReadAtOnce(new FileStream(PathOf(key), options)));
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            RequireRoot();
            return Task.FromResult<Stream?>(null);
        }
    }

    // A small one, such as a marker: the caller waits for the open already, and a program that starts for every segment then needs no other thread to read it.
    private static Stream ReadAtOnce(FileStream file)
    {
        try
        {
            if (file.Length >= SmallBytes)
                return file;
            var content = new byte[SmallBytes];
            var count = file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
            file.Position = 0;
            // Full: it has grown meanwhile.
            if (count == content.Length)
                return file;
            file.Dispose();
            return new MemoryStream(content, 0, count, writable: false);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (FileStat.TryGet(PathOf(key), out var stat))
            return Task.FromResult<ObjectEntry?>(new ObjectEntry(key, stat.Bytes, stat.Modified));
        RequireRoot();
        return Task.FromResult<ObjectEntry?>(null);
    }

    /// <inheritdoc/>
    public Task EnsureDurableAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(key);
        _files.FlushExisting(path);
        FlushNameOf(path);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => ListAsync(prefix, int.MaxValue, cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, int depth, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentOutOfRangeException.ThrowIfNegative(depth);
        await Task.CompletedTask.ConfigureAwait(false);
        RequireRoot();
        foreach (var file in Files(depth))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TryEntry(file, prefix) is { } entry)
                yield return entry;
        }
    }

    /// <inheritdoc/>
    public Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            _files.Delete(PathOf(key));
        }
        catch (DirectoryNotFoundException)
        {
            RequireRoot();
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<int> RemoveAbandonedAsync(DateTimeOffset olderThan, int depth = int.MaxValue, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(depth);
        var removed = 0;
        if (!Directory.Exists(Root))
            return Task.FromResult(0);
        foreach (var file in Files(depth))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!IsTemporary(file.Name) || file.LastWriteTimeUtc >= olderThan.UtcDateTime)
                continue;
            _files.Delete(file.FullName);
            removed++;
        }

        return Task.FromResult(removed);
    }

    /// <summary>Nothing is held open.</summary>
    /// <returns>A completed task.</returns>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    // Up to the root: another writer may have made the directory a moment ago, and may have been killed before it made that durable.
    private void FlushNameOf(string path)
    {
        for (var directory = Path.GetDirectoryName(path)!; directory.Length >= Root.Length; directory = Path.GetDirectoryName(directory)!)
        {
            _files.FlushDirectory(directory);
            if (directory.Length == Root.Length)
                return;
        }
    }

    private string PathOf(string key)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        foreach (var part in key.Split('/'))
            if (part is "" or "." or ".." || part.AsSpan().ContainsAny('\0', '\\'))
                throw new ArgumentException($"'{key}' is no key: it must be a relative path without '.' and '..'.", nameof(key));
        if (key.StartsWith(LostAndFound + "/", StringComparison.Ordinal))
            throw new ArgumentException($"'{key}' is no key: '{LostAndFound}' belongs to the file system.", nameof(key));
        var path = Path.Combine(Root, key);
        return IsTemporary(Path.GetFileName(path)) ? throw new ArgumentException($"'{key}' is no key: the names of temporary files look like this.", nameof(key)) : path;
    }

    // A link in the root may lead to another disk and is followed; further down it may lead back up.
    private FileSystemEnumerable<FileInfo> Files(int depth)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = depth, IgnoreInaccessible = false, AttributesToSkip = 0 };
        return new(Root, static (ref FileSystemEntry entry) => (FileInfo)entry.ToFileSystemInfo(), options)
        {
            ShouldIncludePredicate = static (ref FileSystemEntry entry) => !entry.IsDirectory,
            ShouldRecursePredicate = static (ref FileSystemEntry entry) => entry.Directory.Length == entry.RootDirectory.Length
                ? !entry.FileName.SequenceEqual(LostAndFound)
                : !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
        };
    }

    // Null for other prefixes, for temporary files and for one that vanished meanwhile.
    private ObjectEntry? TryEntry(FileInfo file, string prefix)
    {
        if (IsTemporary(file.Name))
            return null;
        var key = Path.GetRelativePath(Root, file.FullName).Replace(Path.DirectorySeparatorChar, '/');
        try
        {
            return key.StartsWith(prefix, StringComparison.Ordinal) ? new ObjectEntry(key, file.Length, file.LastWriteTimeUtc) : null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private static bool IsTemporary(string name) => name.StartsWith('.') && name.EndsWith(".tmp", StringComparison.Ordinal);

    private void RequireRoot()
    {
        if (!Directory.Exists(Root))
            throw NotThere();
    }

    private DirectoryNotFoundException NotThere() => new($"The directory '{Root}' does not exist or cannot be reached.");

    /// <summary>One new file. The order of <see cref="CommitAsync"/> is what the promise of everything that stands on a store rests on.</summary>
    private sealed class Writer(DirectoryObjectStore store, FileStream file, string temporaryPath, string finalPath, DateTimeOffset? modified) : IObjectWriter
    {
        // More than a segment of WAL, which is flushed right behind its one write.
        private const long FlushedTogether = 32 << 20;
        private long _length;
        private long _flushing;
        private bool _hasTemporary = true;

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            store._files.Write(file, bytes.Span, _length);
            _length += bytes.Length;
            // The kernel would begin when a tenth of the memory is dirty: the disk idles until the end of a backup, and then everybody waits for it.
            if (_length - _flushing >= FlushedTogether)
            {
                store._files.BeginFlush(file, _flushing, _length - _flushing);
                _flushing = _length;
            }

            return ValueTask.CompletedTask;
        }

        // Content on disk, then its name, then the directory that holds the name; only after that may anybody be told. A failed fsync is never tried
        // again on the same file, because the kernel may have dropped the pages it could not write.
        public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
        {
            if (modified is { } time)
                store._files.SetModified(file, time);
            store._files.FlushToDisk(file);
            await file.DisposeAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            if (!store._files.PublishNew(temporaryPath, finalPath))
                return ObjectCommitResult.AlreadyExists;
            _hasTemporary = false;
            store.FlushNameOf(finalPath);
            return ObjectCommitResult.Created;
        }

        public async ValueTask DisposeAsync()
        {
            await file.DisposeAsync().ConfigureAwait(false);
            if (!_hasTemporary)
                return;
            _hasTemporary = false;
            try
            {
                store._files.Delete(temporaryPath);
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // The disk went away with the file, or cannot be written any more; RemoveAbandonedAsync finds it when it is back.
            }
        }
    }

    /// <summary>The file operations in one replaceable place, so that a test can record their order.</summary>
    internal class FileSystem
    {
        public static readonly FileSystem Real = new();

        public virtual FileStream CreateNew(string path, UnixFileMode mode)
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = mode;
            return new FileStream(path, options);
        }

        // Synchronous on purpose: the page cache takes the bytes in microseconds, and .NET has no asynchronous file writes on Unix anyway.
        public virtual void Write(FileStream file, ReadOnlySpan<byte> bytes, long offset) => RandomAccess.Write(file.SafeFileHandle, bytes, offset);

        public virtual void SetModified(FileStream file, DateTimeOffset time) => File.SetLastWriteTimeUtc(file.SafeFileHandle, time.UtcDateTime);

        public virtual void BeginFlush(FileStream file, long offset, long bytes) => Posix.BeginFlush(file.SafeFileHandle, offset, bytes);

        public virtual void FlushToDisk(FileStream file) => DurableFile.FlushToDisk(file.SafeFileHandle);

        /// <summary>fsync of a file that somebody else has written.</summary>
        public virtual void FlushExisting(string path)
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            DurableFile.FlushToDisk(file);
        }

        public virtual bool PublishNew(string temporaryPath, string finalPath) => DurableFile.PublishNew(temporaryPath, finalPath);

        public virtual void FlushDirectory(string path) => DurableFile.FlushDirectory(path);

        public virtual void CreateDirectory(string path) => DurableFile.CreateDirectory(path);

        public virtual void Delete(string path) => File.Delete(path);
    }
}
