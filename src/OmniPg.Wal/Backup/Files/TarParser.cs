using System.Text;

namespace OmniPg.Wal;

/// <summary>Cuts the bytes of a tar file into its members as they come, in pieces of any size. The paths of GNU tar's long names are put together here.</summary>
internal abstract class TarParser
{
    // PATH_MAX of Linux.
    private const int LongestPath = 4096;

    private const string Here = "./";

    private readonly byte[] _block = new byte[TarFormat.BlockBytes];
    private int _blockBytes;
    private TarHeader? _member;
    private MemoryStream? _longName;
    private string? _longPath;
    private long _left;
    private int _padding;
    private bool _ended;

    /// <summary>Whether the end mark was read, and nothing is half read.</summary>
    protected bool IsComplete => _ended && _member is null;

    /// <summary>Reads the next bytes.</summary>
    /// <exception cref="InvalidDataException">They are not those of a tar file.</exception>
    protected void Take(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var count = _member is null ? TakeHeader(bytes) : _left > 0 ? TakeContent(bytes) : TakePadding(bytes);
            bytes = bytes[count..];
        }
    }

    /// <summary>A member begins.</summary>
    protected abstract void Begin(TarHeader header);

    /// <summary>The next bytes of its content.</summary>
    protected abstract void Append(ReadOnlySpan<byte> content);

    /// <summary>Its content is complete.</summary>
    protected abstract void End(TarHeader header);

    private int TakeHeader(ReadOnlySpan<byte> bytes)
    {
        var count = Math.Min(bytes.Length, _block.Length - _blockBytes);
        bytes[..count].CopyTo(_block.AsSpan(_blockBytes));
        _blockBytes += count;
        if (_blockBytes < _block.Length)
            return count;
        _blockBytes = 0;
        if (_ended || !_block.AsSpan().ContainsAnyExcept((byte)0))
            _ended = true;
        else
            BeginMember(TarFormat.Read(_block));
        return count;
    }

    private void BeginMember(TarHeader header)
    {
        if (_longPath is { } path)
            header = header with { Path = path };
        _longPath = null;
        // As the server itself names one member of its tar file ("./pg_wal/archive_status", perform_base_backup).
        if (header.Path.StartsWith(Here, StringComparison.Ordinal))
            header = header with { Path = header.Path[Here.Length..] };
        (_member, _left, _padding) = (header, header.Kind == TarKind.Directory ? 0 : header.Length, TarFormat.PaddingOf(header.Length));
        if (header.Kind == TarKind.LongName)
            _longName = header.Length <= LongestPath ? new MemoryStream() : throw new InvalidDataException($"The tar file holds a path of {header.Length} bytes.");
        else
            Begin(header);
        if (_left == 0)
            EndContent();
    }

    private int TakeContent(ReadOnlySpan<byte> bytes)
    {
        var count = (int)Math.Min(bytes.Length, _left);
        if (_longName is not null)
            _longName.Write(bytes[..count]);
        else
            Append(bytes[..count]);
        _left -= count;
        if (_left == 0)
            EndContent();
        return count;
    }

    private int TakePadding(ReadOnlySpan<byte> bytes)
    {
        var count = Math.Min(bytes.Length, _padding);
        _padding -= count;
        if (_padding == 0)
            _member = null;
        return count;
    }

    private void EndContent()
    {
        if (_longName is { } name)
            (_longPath, _longName) = (Encoding.UTF8.GetString(name.ToArray()).TrimEnd('\0'), null);
        else
            End(_member!);
        if (_padding == 0)
            _member = null;
    }
}
