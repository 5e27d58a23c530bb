using System.Text.Json;

namespace OmniPg.Jobmon;

/// <summary>Reads a spool file line by line. What cannot be read is counted, except half a line at the end: its writer was killed in the middle.</summary>
internal sealed class SpoolReader : IDisposable
{
    private readonly StreamReader _lines;
    // Looked at before the first line is read: afterwards the reader has buffered past it.
    private readonly bool _endsInLine;

    public SpoolReader(FileStream file)
    {
        _endsInLine = EndsInLine(file);
        _lines = new StreamReader(file, leaveOpen: true);
        Header = Parse(_lines.ReadLine(), line => JsonSerializer.Deserialize(line, SpoolJson.Default.SpoolHeader));
    }

    /// <summary>Null when there is none, or it cannot be read.</summary>
    public SpoolHeader? Header { get; }

    /// <summary>Lines that could not be read so far.</summary>
    public int Unreadable { get; private set; }

    /// <summary>The events in the order in which they happened, decoded one by one.</summary>
    public IEnumerable<LogEvent> Events(SpoolDecoder decoder)
    {
        while (_lines.ReadLine() is { } line)
        {
            if (line.Length == 0)
                continue;
            if (Parse(line, text => JsonSerializer.Deserialize(text, SpoolJson.Default.SpoolRecord) is { } record ? decoder.Decode(record) : null) is { } e)
                yield return e;
            else if (!_endsInLine || _lines.Peek() >= 0)
                Unreadable++;
        }
    }

    public void Dispose() => _lines.Dispose();

    private static T? Parse<T>(string? line, Func<string, T?> read)
        where T : class
    {
        try
        {
            return line is null ? null : read(line);
        }
        catch (Exception error) when (error is JsonException or FormatException)
        {
            return null;
        }
    }

    private static bool EndsInLine(FileStream file)
    {
        if (file.Length == 0)
            return false;
        file.Seek(-1, SeekOrigin.End);
        var endsInLine = file.ReadByte() != '\n';
        file.Seek(0, SeekOrigin.Begin);
        return endsInLine;
    }
}
