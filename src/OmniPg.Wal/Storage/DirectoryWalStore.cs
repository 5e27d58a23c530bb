using System.Globalization;
using System.Runtime.CompilerServices;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Keeps WAL files in a directory: complete, flushed and never replaced.</summary>
/// <remarks>
/// The directory itself must exist: creating it could fill the disk below an unmounted mount point. Directories of a sharded archive are made as
/// needed. Thread safe; several processes may write to one directory.
/// </remarks>
public sealed class DirectoryWalStore : IWalStore
{
    private readonly StoreFileSystem _files;
    private readonly UnixFileMode _fileMode;

    /// <summary>Makes a store over a directory; nothing is touched yet.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="fileMode">Permissions of new files on Unix, before the umask. Default: owner reads and writes.</param>
    public DirectoryWalStore(string path, UnixFileMode fileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
        : this(path, fileMode, StoreFileSystem.Real)
    {
    }

    internal DirectoryWalStore(string path, UnixFileMode fileMode, StoreFileSystem files)
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
    public WalStoreCapabilities Capabilities =>
        WalStoreCapabilities.Listable | WalStoreCapabilities.Readable | WalStoreCapabilities.ConditionalCreate | WalStoreCapabilities.Deletable;

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
    public ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default)
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
        return new ValueTask<IWalStoreWriter>(new DirectoryObjectWriter(_files, _files.CreateNew(temporary, _fileMode), temporary, path, info.Modified, () => FlushNameOf(path)));
    }

    /// <inheritdoc/>
    public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            var options = new FileStreamOptions { Share = FileShare.Read | FileShare.Delete, BufferSize = 0, Options = FileOptions.SequentialScan };
            return Task.FromResult<Stream?>(new FileStream(PathOf(key), options));
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            RequireRoot();
            return Task.FromResult<Stream?>(null);
        }
    }

    /// <inheritdoc/>
    public Task<WalStoreEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (FileStat.TryGet(PathOf(key), out var stat))
            return Task.FromResult<WalStoreEntry?>(new WalStoreEntry(key, stat.Bytes, stat.Modified));
        RequireRoot();
        return Task.FromResult<WalStoreEntry?>(null);
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
    public async IAsyncEnumerable<WalStoreEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        await Task.CompletedTask.ConfigureAwait(false);
        RequireRoot();
        foreach (var file in new DirectoryInfo(Root).EnumerateFiles("*", DirectoryListing.Options))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (DirectoryListing.TryEntry(Root, file, prefix) is { } entry)
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

    /// <summary>Removes temporary files that a killed process left behind.</summary>
    /// <param name="olderThan">Files last written before this moment; a living writer is not silent for long.</param>
    /// <returns>How many were removed.</returns>
    public int RemoveAbandonedFiles(DateTimeOffset olderThan) => DirectoryListing.RemoveAbandoned(Root, olderThan, _files);

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
        return Path.Combine(Root, key);
    }

    private void RequireRoot()
    {
        if (!Directory.Exists(Root))
            throw NotThere();
    }

    private DirectoryNotFoundException NotThere() => new($"The directory '{Root}' does not exist or cannot be reached.");
}
