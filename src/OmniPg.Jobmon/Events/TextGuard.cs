using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace OmniPg.Jobmon;

/// <summary>Makes any text storable: filtered, free of NUL and lone surrogates, and not longer than allowed.</summary>
internal sealed class TextGuard(Func<string, string>? filter, int maxBytes, bool asciiOnly = false)
{
    private static readonly SearchValues<char> Suspicious = SearchValues.Create(
        [.. Enumerable.Range(0xD800, 0x800).Select(c => (char)c), '\0']);

    /// <summary>The text as it may leave the process; null stays null.</summary>
    public string? Clean(string? text)
    {
        if (text is null)
            return null;
        var valid = Filtered(text);
        if (valid.AsSpan().ContainsAny(Suspicious))
            // The encoder replaces lone surrogates by the same mark.
            valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(valid)).Replace('\0', '\uFFFD');
        if (asciiOnly)
            valid = string.Concat(valid.Select(static c => char.IsAscii(c) ? c : '?'));
        return Truncate(valid, maxBytes);
    }

    /// <summary>The same rules for a database whose encoding lacks a character of the text.</summary>
    public TextGuard AsciiOnly() => new(filter, maxBytes, asciiOnly: true);

    /// <summary>Cuts on a character boundary, so that text and mark together have at most <paramref name="maxBytes"/> bytes of UTF-8.</summary>
    public static string Truncate(string text, int maxBytes)
    {
        // A UTF-16 unit takes at most three bytes of UTF-8.
        if (text.Length <= maxBytes / 3)
            return text;
        var bytes = Encoding.UTF8.GetByteCount(text);
        if (bytes <= maxBytes)
            return text;

        var (head, used) = Head(text, Math.Max(0, maxBytes - Mark(bytes).Length - 2));
        return head + Mark(bytes - used);
    }

    /// <summary>The beginning of a text that has at most so many bytes of UTF-8, cut on a character boundary, and how many it has.</summary>
    public static (string Text, int Bytes) Head(string text, int maxBytes)
    {
        // The encoder stops before a character that has no room as a whole.
        Utf8.FromUtf16(text, new byte[maxBytes], out var kept, out var used);
        return (text[..kept], used);
    }

    private static string Mark(int bytes) => string.Create(null, $"… [truncated {bytes} bytes]");

    private string Filtered(string text)
    {
        if (filter is null)
            return text;
        try
        {
            return filter(text) ?? "";
        }
#pragma warning disable CA1031 // A broken filter must neither break the job nor let the unfiltered text out.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return $"[message filter failed: {e.GetType().Name}]";
        }
    }
}
