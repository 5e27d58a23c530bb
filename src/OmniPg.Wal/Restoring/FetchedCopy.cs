using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// A copy of the file that the server is waiting for: written under a temporary name beside it and renamed when it is complete and valid.
/// Not flushed to disk, because PostgreSQL flushes what it keeps.
/// </summary>
internal sealed class FetchedCopy : IAsyncDisposable
{
    private readonly string _path;
    private readonly string _temporary;
    private readonly FileStream _file;
    private long _length;
    private bool _published;

    /// <exception cref="WalRestoreTargetException">The file cannot be created.</exception>
    public FetchedCopy(string path, IObjectStore store, string key)
    {
        (Store, Key) = (store, key);
        _path = path;
        _temporary = DurableFile.TemporaryNameFor(path);
        try
        {
            _file = new FileStream(_temporary, Options());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WalRestoreTargetException(path, e);
        }
    }

    /// <summary>The final name.</summary>
    public string Path => _path;

    /// <summary>Where it came from.</summary>
    public IObjectStore Store { get; }

    public string Key { get; }

    /// <summary>What validation found; there as soon as the copy is complete.</summary>
    public WalValidationResult Summary { get; set; } = null!;

    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(_file.SafeFileHandle, bytes, _length);
        }
        catch (IOException e)
        {
            throw new WalRestoreTargetException(_path, e);
        }

        _length += bytes.Length;
    }

    /// <summary>Fills up with zeros, as a server does with a segment it has only begun.</summary>
    public void PadTo(long length)
    {
        if (length > _length)
            RandomAccess.SetLength(_file.SafeFileHandle, length);
    }

    /// <summary>The complete file before it gets its name; null when it vanished.</summary>
    public FileStat? Look() => FileStat.TryGet(_temporary, out var file) ? file : null;

    /// <summary>Gives the file its name; a file of that name is replaced.</summary>
    public void Publish()
    {
        try
        {
            // A rename, so that the server never opens a short file: with standby.signal it would take one for "not there yet".
            File.Move(_temporary, _path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WalRestoreTargetException(_path, e);
        }

        _published = true;
    }

    public async ValueTask DisposeAsync()
    {
        await _file.DisposeAsync().ConfigureAwait(false);
        if (!_published)
            File.Delete(_temporary);
    }

    private static FileStreamOptions Options()
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.Read, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return options;
    }

    /// <summary>
    /// Lets the pump write into the file. A commit does not give the file its name yet: a restore may still have to pad it, or to
    /// wait until it is due.
    /// </summary>
    internal sealed class Sink(FetchedCopy target) : IObjectSink, IObjectWriter
    {
        public string Id => target.Path;

        public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult<IObjectWriter>(this);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            target.Write(bytes.Span);
            return ValueTask.CompletedTask;
        }

        public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default) =>
            Task.FromResult(ObjectCommitResult.Created);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
