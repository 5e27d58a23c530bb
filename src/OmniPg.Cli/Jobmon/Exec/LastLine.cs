using System.Text;

namespace OmniPg.Cli;

/// <summary>Counts the lines that pass by as bytes and remembers the last one that is not empty.</summary>
/// <remarks>Takes no more memory for a line of gigabytes than for a short one.</remarks>
internal sealed class LastLine
{
    /// <summary>What is kept of a line, in bytes.</summary>
    private const int Kept = 1000;

    private readonly byte[] _current = new byte[Kept];
    private int _length;
    private bool _open;

    /// <summary>Lines that have ended.</summary>
    public long Count { get; private set; }

    /// <summary>The beginning of the last line with text in it; null before the first.</summary>
    public string? Text { get; private set; }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            // A carriage return begins the line anew: that is how programs draw their progress.
            var end = bytes.IndexOfAny((byte)'\n', (byte)'\r');
            var part = end < 0 ? bytes : bytes[..end];
            var taken = Math.Min(part.Length, Kept - _length);
            part[..taken].CopyTo(_current.AsSpan(_length));
            _length += taken;
            _open = true;
            if (end < 0)
                return;
            Keep();
            if (bytes[end] == '\n')
            {
                Count++;
                _open = false;
            }
            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>Nothing comes any more: what stands behind the last line end is a line, too.</summary>
    public void End()
    {
        Keep();
        if (_open)
            Count++;
        _open = false;
    }

    private void Keep()
    {
        // Cut inside a character, the rest of it is no text.
        var text = Encoding.UTF8.GetString(_current.AsSpan(0, _length)).TrimEnd(_length == Kept ? '\uFFFD' : ' ');
        _length = 0;
        if (CellText.Clean(WithoutEscapes(text)).Trim() is { Length: > 0 } line)
            Text = line;
    }

    // Colours and cursor movements: ESC [ … letter. They mean nothing in a log.
    private static string WithoutEscapes(string text)
    {
        if (!text.Contains('\e', StringComparison.Ordinal))
            return text;
        var plain = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\e' || i + 1 >= text.Length || text[i + 1] != '[')
            {
                plain.Append(text[i]);
                continue;
            }
            for (i += 2; i < text.Length && text[i] is < '@' or > '~'; i++)
            {
            }
        }
        return plain.ToString();
    }
}
