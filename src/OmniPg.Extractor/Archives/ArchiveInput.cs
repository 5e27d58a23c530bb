using System.Buffers;
using System.Runtime.CompilerServices;

namespace OmniPg.Extractor;

/// <summary>A stream with one buffer in front of it: callers parse what has arrived and ask for more when it is too little.</summary>
/// <remarks>The buffer doubles only when it is full of bytes that did arrive. Filling exists twice, synchronous and not; parsing only once.</remarks>
internal sealed class ArchiveInput(Stream stream, int bufferBytes, long position = 0, bool leaveOpen = false) : IDisposable
{
    private readonly int _initialBytes = bufferBytes;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(bufferBytes);
    private int _start;
    private int _end;

    /// <summary>Offset in the archive of the first available byte.</summary>
    public long Position { get; private set; } = position;

    public ReadOnlySpan<byte> Available => _buffer.AsSpan(_start, _end - _start);

    public void Advance(int count)
    {
        _start += count;
        Position += count;
        if (_start == _end)
            _start = _end = 0;
    }

    /// <summary>Fetches at least <paramref name="missing"/> bytes more; false when the stream ends before.</summary>
    public bool Fill(int missing)
    {
        for (var wanted = (long)(_end - _start) + missing; _end - _start < wanted;)
        {
            var read = stream.Read(Room().Span);
            if (read == 0)
                return false;
            _end += read;
        }
        return true;
    }

    /// <inheritdoc cref="Fill(int)"/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> FillAsync(int missing, CancellationToken cancellationToken)
    {
        for (var wanted = (long)(_end - _start) + missing; _end - _start < wanted;)
        {
            var read = await stream.ReadAsync(Room(), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                return false;
            _end += read;
        }
        return true;
    }

    /// <summary>Reads past the buffer straight into the caller's memory: for bulk data when nothing is buffered.</summary>
    public int ReadThrough(Span<byte> target)
    {
        var read = stream.Read(target);
        Position += read;
        return read;
    }

    /// <inheritdoc cref="ReadThrough(Span{byte})"/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> ReadThroughAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        var read = await stream.ReadAsync(target, cancellationToken).ConfigureAwait(false);
        Position += read;
        return read;
    }

    /// <summary>Gives back a buffer that a large entry made grow.</summary>
    public void Shrink()
    {
        if (_buffer.Length > _initialBytes * 2 && _end - _start <= _initialBytes)
            Replace(_initialBytes);
    }

    public void Dispose()
    {
        if (_buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _start = _end = 0;
        if (!leaveOpen)
            stream.Dispose();
    }

    private Memory<byte> Room()
    {
        ObjectDisposedException.ThrowIf(_buffer.Length == 0, this);
        if (_end == _buffer.Length)
        {
            if (_start >= _buffer.Length / 2)
                Compact(_buffer);
            else
                Replace(GrownSize());
        }
        return _buffer.AsMemory(_end);
    }

    private int GrownSize() => _buffer.Length < Array.MaxLength
        ? (int)Math.Min(_buffer.Length * 2L, Array.MaxLength)
        : throw new ArchiveFormatException(new ArchiveLocation(Position, null, "entry"), "one entry is larger than 2 GiB");

    private void Replace(int size)
    {
        var old = _buffer;
        Compact(ArrayPool<byte>.Shared.Rent(size));
        ArrayPool<byte>.Shared.Return(old);
    }

    private void Compact(byte[] target)
    {
        Available.CopyTo(target);
        _end -= _start;
        _start = 0;
        _buffer = target;
    }
}

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
