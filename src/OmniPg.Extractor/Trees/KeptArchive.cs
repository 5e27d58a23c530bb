using OmniPg.IO;

namespace OmniPg.Extractor.Trees;

/// <summary>The copy of the dump: written beside its final name and published when the dump is complete.</summary>
internal sealed class KeptArchive : IAsyncDisposable
{
    private readonly string _path;
    private readonly string _temporary;
    private readonly FileStream _file;
    private bool _published;

    public KeptArchive(string path)
    {
        _path = Path.GetFullPath(path);
        DurableFile.CreateDirectory(Path.GetDirectoryName(_path)!);
        _temporary = DurableFile.TemporaryNameFor(_path);
        // It holds every secret of the database: only its owner may read it.
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 64 * 1024 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        _file = new FileStream(_temporary, options);
    }

    public Stream Stream => _file;

    public async Task PublishAsync(CancellationToken cancellationToken)
    {
        await _file.FlushAsync(cancellationToken).ConfigureAwait(false);
        DurableFile.FlushToDisk(_file.SafeFileHandle);
        await _file.DisposeAsync().ConfigureAwait(false);
        DurableFile.Replace(_temporary, _path);
        _published = true;
    }

    public async ValueTask DisposeAsync()
    {
        await _file.DisposeAsync().ConfigureAwait(false);
        if (!_published)
            File.Delete(_temporary);
    }
}
