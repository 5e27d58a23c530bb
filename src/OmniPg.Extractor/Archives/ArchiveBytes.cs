namespace OmniPg.Extractor;

/// <summary>Where a custom archive's bytes come from: a file that can be opened again, a stream that can seek, or a pipe.</summary>
internal sealed class ArchiveBytes : IDisposable
{
    private readonly string? _path;
    private readonly Stream _stream;
    private readonly PgArchiveOptions _options;
    private readonly bool _leaveOpen;
    private readonly long _origin;
    private ArchiveInput? _first;

    public ArchiveBytes(string path, PgArchiveOptions options)
        : this(OpenFile(path), options, leaveOpen: false)
        => _path = path;

    public ArchiveBytes(Stream stream, PgArchiveOptions options)
        : this(stream, options, options.LeaveOpen)
    {
    }

    private ArchiveBytes(Stream stream, PgArchiveOptions options, bool leaveOpen)
    {
        _leaveOpen = leaveOpen;
        _stream = stream;
        _options = options;
        CanSeek = stream.CanSeek;
        _origin = CanSeek ? stream.Position : 0;
        _first = new ArchiveInput(stream, options.BufferBytes, leaveOpen: leaveOpen);
    }

    public bool CanSeek { get; }

    /// <summary>The input that header and table of contents are read from, and a pipe's data after them.</summary>
    public ArchiveInput First => _first ?? throw new InvalidOperationException("The data of an archive that comes from a pipe can be read only once.");

    /// <summary>An input at a position of the archive; the caller disposes it. A pipe gives its one input, once.</summary>
    public ArchiveInput OpenAt(long position)
    {
        if (!CanSeek)
        {
            var only = First;
            _first = null;
            return only;
        }
        if (_path is null)
        {
            _stream.Seek(_origin + position, SeekOrigin.Begin);
            return new ArchiveInput(_stream, _options.BufferBytes, position, leaveOpen: true);
        }
        var file = OpenFile(_path);
        file.Seek(position, SeekOrigin.Begin);
        return new ArchiveInput(file, _options.BufferBytes, position);
    }

    public void Dispose()
    {
        _first?.Dispose();
        if (!_leaveOpen)
            _stream.Dispose();
    }

    private static FileStream OpenFile(string path) =>
        new(path, new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.Read, BufferSize = 0, Options = FileOptions.Asynchronous | FileOptions.SequentialScan });
}
