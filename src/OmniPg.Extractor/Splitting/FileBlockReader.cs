using System.Buffers;
using System.Text;

namespace OmniPg.Extractor.Splitting;

/// <summary>Finds where the entries of a file begin: at marker lines outside quotes, dollar quotes, comments and COPY rows.</summary>
/// <remarks>Streams: memory does not depend on the size of the file, so files with gigabytes of rows are fine.</remarks>
internal sealed class FileBlockReader
{
    private const int LineHead = 64 * 1024;

    private readonly SqlScanner _scanner = new();
    private readonly ArrayBufferWriter<byte> _line = new();
    private readonly List<FileBlock> _blocks = [];
    private BlockHeader? _header;
    private BlockHeader? _candidate;
    private long _blockStart;
    private long _rulerStart = -1;
    private long _position;
    private long _lineStart;
    private bool _copying;
    private bool _hasRows;
    private bool _lineStartsInCode = true;

    public static async Task<IReadOnlyList<FileBlock>> ReadAsync(Stream stream, CancellationToken cancellationToken)
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

    public static IReadOnlyList<FileBlock> Read(ReadOnlySpan<byte> content)
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
            _blocks.Add(new FileBlock(_blockStart, end - _blockStart, _header, _hasRows));
        _hasRows = false;
    }

    private List<FileBlock> Complete()
    {
        if (_position > _lineStart)
            EndLine();
        EndBlock(_position);
        return _blocks;
    }
}
