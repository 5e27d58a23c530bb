using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal;

/// <summary>
/// The segment that is being received: <c>NAME.partial</c> in full size, filled from its start. What lies in it from before is compared with what comes again, and
/// written again too: after a flush that failed, the content of the page cache proves nothing about the disk.
/// </summary>
internal sealed class PartialSegment : IDisposable
{
    private const int BufferBytes = 256 * 1024;

    private readonly string _directory;
    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly WalSegmentSize _size;
    private readonly WalSegmentValidator _validator;
    private readonly ulong _start;
    private int _known;
    private int _written;
    private bool _isFlushed = true;

    private PartialSegment(string directory, WalFileName name, WalSegmentSize size, SafeFileHandle file, WalSegmentValidator validator)
    {
        (_directory, Name, _size, _file, _validator) = (directory, name, size, file, validator);
        _start = (ulong)name.StartLsn(size);
        _path = PathOf(directory, name);
    }

    public WalFileName Name { get; }

    /// <summary>First position that is not written yet.</summary>
    public ulong End => _start + (uint)_written;

    /// <summary>End of the valid records that lay in the file when it was opened; its start when there were none.</summary>
    public ulong KnownEnd => _start + (uint)_known;

    public bool IsFull => _written == _size.Bytes;

    public bool IsFlushed => _isFlushed;

    /// <summary>Opens the file of a segment, or makes it.</summary>
    /// <exception cref="WalValidationException">What lies there is no WAL of this cluster.</exception>
    /// <exception cref="WalDestinationException">The disk refused.</exception>
    public static PartialSegment Open(string directory, WalFileName name, WalSegmentSize size, WalValidation level, WalExpectations expectations) => Guarded(directory, name, () =>
    {
        var path = PathOf(directory, name);
        if (!File.Exists(path))
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, PreallocationSize = size.Bytes, BufferSize = 0 };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            new FileStream(path, options).Dispose();
        }

        var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read);
        try
        {
            // A crash may have come between the two steps of its making.
            if (RandomAccess.GetLength(file) < size.Bytes)
                RandomAccess.SetLength(file, size.Bytes);
            DurableFile.FlushToDisk(file);
            DurableFile.FlushDirectory(directory);
            var segment = new PartialSegment(directory, name, size, file, new WalSegmentValidator(name, level, expectations));
            segment._known = segment.ReadKnown(expectations);
            return segment;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    });

    /// <summary>Writes the next bytes.</summary>
    /// <exception cref="WalConflictException">Other bytes lie there, and they are valid too.</exception>
    /// <exception cref="WalValidationException">The bytes are not what must come next.</exception>
    /// <exception cref="WalDestinationException">The disk refused.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        try
        {
            RequireSame(bytes);
            _validator.Append(bytes);
            _isFlushed = false;
            RandomAccess.Write(_file, bytes, _written);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalDestinationException.Failed(_directory, Path.GetFileName(_path), refused);
        }

        _written += bytes.Length;
    }

    /// <summary>Makes everything written durable.</summary>
    /// <exception cref="WalDestinationException">The disk refused; the file is to be opened anew.</exception>
    public void Flush() => Guarded(_directory, Name, () =>
    {
        if (!_isFlushed)
            DurableFile.FlushToDisk(_file);
        return _isFlushed = true;
    });

    /// <summary>Gives the full segment its name: checked, flushed, renamed, directory flushed.</summary>
    /// <returns>How it ended, for the next one; null where that was not looked at.</returns>
    /// <exception cref="WalConflictException">A complete segment of that name is there.</exception>
    public WalChainState? Complete() => Guarded(_directory, Name, () =>
    {
        var next = _validator.Complete().Next;
        Flush();
        if (!DurableFile.PublishNew(_path, Path.Combine(_directory, Name.ToString())))
            throw new WalConflictException(Name.ToString(), _directory, "received now", "complete before");
        DurableFile.FlushDirectory(_directory);
        return next;
    });

    public void Dispose() => _file.Dispose();

    private static string PathOf(string directory, WalFileName name) => Path.Combine(directory, name + ".partial");

    private static T Guarded<T>(string directory, WalFileName name, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalDestinationException.Failed(directory, $"{name}.partial", refused);
        }
    }

    /// <summary>Length of the valid beginning of what lies in the file; 0 when it is fresh.</summary>
    private int ReadKnown(WalExpectations expectations)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            var validator = new WalSegmentValidator(WalFileName.Parse(Name + ".partial"), WalValidation.Full, expectations);
            for (var read = 0; read < _size.Bytes;)
            {
                var bytes = buffer.AsSpan(0, ReadAt(buffer, read));
                // Made, and nothing came: the first page is written first, and was never confirmed if it is not there.
                if (read == 0 && bytes[..PageHeader.LongLength].IndexOfAnyExcept((byte)0) < 0)
                    return 0;
                validator.Append(bytes);
                read += bytes.Length;
            }

            var end = (ulong)validator.Complete().EndOfValid;
            return end > _start ? (int)(end - _start) : 0;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private int ReadAt(Span<byte> buffer, int offset)
    {
        buffer = buffer[..Math.Min(buffer.Length, _size.Bytes - offset)];
        for (var read = 0; read < buffer.Length;)
        {
            var count = RandomAccess.Read(_file, buffer[read..], offset + read);
            read += count > 0 ? count : throw new EndOfStreamException($"'{_path}' became shorter while it was read.");
        }

        return buffer.Length;
    }

    private void RequireSame(ReadOnlySpan<byte> bytes)
    {
        if (_written >= _known)
            return;
        bytes = bytes[..Math.Min(bytes.Length, _known - _written)];
        var buffer = ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            var known = buffer.AsSpan(0, bytes.Length);
            ReadAt(known, _written);
            var same = known.CommonPrefixLength(bytes);
            if (same < known.Length)
                throw new WalConflictException(
                    $"{Name}.partial", _directory, $"0x{bytes[same]:x2} at offset {_written + same}, sent by the server", $"0x{known[same]:x2} at offset {_written + same}, received before");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
