using System.Buffers;
using System.Text;

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
            valid = ReplaceInvalid(valid);
        if (asciiOnly)
            valid = string.Create(valid.Length, valid, static (to, from) => Replace(from, to));
        return Truncate(valid, maxBytes);
    }

    /// <summary>The same rules for a database whose encoding lacks a character of the text.</summary>
    public TextGuard AsciiOnly() => new(filter, maxBytes, asciiOnly: true);

    /// <summary>Replaces NUL and lone surrogates by U+FFFD.</summary>
    public static string ReplaceInvalid(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            clean.Append(rune.Value == 0 ? Rune.ReplacementChar.ToString() : rune.ToString());
        return clean.ToString();
    }

    /// <summary>Cuts on a character boundary, so that text and mark together have at most <paramref name="maxBytes"/> bytes of UTF-8.</summary>
    public static string Truncate(string text, int maxBytes)
    {
        // A UTF-16 unit takes at most three bytes of UTF-8.
        if (text.Length <= maxBytes / 3)
            return text;
        var bytes = Encoding.UTF8.GetByteCount(text);
        if (bytes <= maxBytes)
            return text;

        var room = Math.Max(0, maxBytes - Mark(bytes).Length - 2);
        var (kept, used) = (0, 0);
        foreach (var rune in text.EnumerateRunes())
        {
            if (used + rune.Utf8SequenceLength > room)
                break;
            used += rune.Utf8SequenceLength;
            kept += rune.Utf16SequenceLength;
        }

        return string.Concat(text.AsSpan(0, kept), Mark(bytes - used));
    }

    private static string Mark(int bytes) => string.Create(null, $"… [truncated {bytes} bytes]");

    private static void Replace(string from, Span<char> to)
    {
        for (var i = 0; i < from.Length; i++)
            to[i] = char.IsAscii(from[i]) ? from[i] : '?';
    }

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
