using System.Buffers;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Finds where the entries of a file begin: at marker lines outside quotes, dollar quotes, comments and COPY rows.</summary>
/// <remarks>Streams: memory does not depend on the size of the file, so files with gigabytes of rows are fine.</remarks>
internal sealed class FileBlockReader
{
    private const int LineHead = 64 * 1024;

    private readonly SqlScanner _scanner = new();
    private readonly ArrayBufferWriter<byte> _line = new();
    private readonly List<Block> _blocks = [];
    private BlockHeader? _header;
    private BlockHeader? _candidate;
    private long _blockStart;
    private long _rulerStart = -1;
    private long _position;
    private long _lineStart;
    private bool _copying;
    private bool _hasRows;
    private bool _lineStartsInCode = true;

    public static async Task<IReadOnlyList<Block>> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var reader = new FileBlockReader();
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
                reader.Append(buffer.AsSpan(0, read));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return reader.Complete();
    }

    public static IReadOnlyList<Block> Read(ReadOnlySpan<byte> content)
    {
        var reader = new FileBlockReader();
        reader.Append(content);
        return reader.Complete();
    }

    private void Append(ReadOnlySpan<byte> chunk)
    {
        while (!chunk.IsEmpty)
        {
            var end = chunk.IndexOf((byte)'\n');
            var part = end < 0 ? chunk : chunk[..(end + 1)];
            if (_line.WrittenCount < LineHead)
                _line.Write(part[..Math.Min(part.Length, LineHead - _line.WrittenCount)]);
            if (!_copying)
                Scan(part);
            _position += part.Length;
            if (end >= 0)
                EndLine();
            chunk = chunk[part.Length..];
        }
    }

    private void Scan(ReadOnlySpan<byte> part)
    {
        foreach (var b in part)
            _scanner.Push((char)b);
    }

    private void EndLine()
    {
        var line = Encoding.UTF8.GetString(_line.WrittenSpan).TrimEnd('\n', '\r');
        if (_copying)
            _copying = line != "\\.";
        else if (_lineStartsInCode)
            SeeCodeLine(line);
        else
            _rulerStart = -1;
        _line.ResetWrittenCount();
        _lineStart = _position;
        _lineStartsInCode = _copying || _scanner.InCode;
    }

    // A marker is three lines: "--", "-- Name: …; Type: …", "--".
    private void SeeCodeLine(string line)
    {
        if (line == "--" && _candidate is not null)
        {
            BeginBlock(_rulerStart, _candidate);
            _rulerStart = -1;
        }
        else if (line == "--")
        {
            _rulerStart = _lineStart;
        }
        else
        {
            _candidate = _rulerStart >= 0 && BlockHeader.Announces(line) ? BlockHeader.Parse(line) : null;
            if (_candidate is not null)
                return;
            _rulerStart = -1;
            _copying = line.StartsWith("COPY ", StringComparison.Ordinal) && line.EndsWith(" FROM stdin;", StringComparison.Ordinal);
            _hasRows |= _copying;
        }
        _candidate = null;
    }

    private void BeginBlock(long start, BlockHeader header)
    {
        EndBlock(start);
        _blockStart = start;
        _header = header;
    }

    private void EndBlock(long end)
    {
        if (end > _blockStart)
            _blocks.Add(new Block(_blockStart, end - _blockStart, _header, _hasRows));
        _hasRows = false;
    }

    private List<Block> Complete()
    {
        if (_position > _lineStart)
            EndLine();
        EndBlock(_position);
        return _blocks;
    }

    /// <summary>One entry's stretch of a file, in bytes; a block without header is text above the first marker.</summary>
    internal sealed record Block(long Offset, long Length, BlockHeader? Header, bool HasRows);
}

/// <summary>The comment line that pg_dump writes above every entry: <c>-- Name: t; Type: TABLE; Schema: app; Owner: joe</c>.</summary>
internal sealed record BlockHeader(string Name, string Type, string? Namespace, string? Owner, string? Tablespace)
{
    private static readonly string[] Starts = ["-- Name: ", "-- Data for Name: ", "-- Statistics for Name: "];

    public static bool Announces(ReadOnlySpan<char> line)
    {
        foreach (var start in Starts)
        {
            if (line.StartsWith(start, StringComparison.Ordinal))
                return true;
        }
        return false;
    }

    /// <summary>Parses from the right, because a hostile object name may hold the separators.</summary>
    public static BlockHeader? Parse(string line)
    {
        var start = Array.Find(Starts, s => line.StartsWith(s, StringComparison.Ordinal));
        if (start is null)
            return null;
        var owner = line.LastIndexOf("; Owner: ", StringComparison.Ordinal);
        var schema = owner < 0 ? -1 : line.LastIndexOf("; Schema: ", owner, StringComparison.Ordinal);
        var type = schema < 0 ? -1 : line.LastIndexOf("; Type: ", schema, StringComparison.Ordinal);
        if (type < start.Length - 1)
            return null;
        var tail = line[(owner + 9)..];
        var space = tail.IndexOf("; Tablespace: ", StringComparison.Ordinal);
        return new BlockHeader(
            type < start.Length ? "" : line[start.Length..type],
            line[(type + 8)..schema],
            NullIfDash(line[(schema + 10)..owner]),
            NullIfDash(space < 0 ? tail : tail[..space]),
            space < 0 ? null : tail[(space + 14)..]);
    }

    private static string? NullIfDash(string text) => text is "-" or "" ? null : text;
}
