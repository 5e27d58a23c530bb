using System.Globalization;
using System.Text;

namespace OmniPg.Cli;

/// <summary>Text in the cells of a terminal: one line, as wide as it looks.</summary>
internal static class CellText
{
    // Blocks of East Asian wide characters and of emoji; both take two cells in every terminal that draws them.
    private static readonly (int First, int Last)[] Wide =
    [
        (0x1100, 0x115F), (0x231A, 0x231B), (0x23E9, 0x23EC), (0x2614, 0x2615), (0x26A1, 0x26A1), (0x2705, 0x2705), (0x274C, 0x274C), (0x2728, 0x2728),
        (0x2B50, 0x2B50), (0x2E80, 0x303E), (0x3041, 0x33FF), (0x3400, 0x4DBF), (0x4E00, 0xA4CF), (0xA960, 0xA97C), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
        (0xFE30, 0xFE6F), (0xFF00, 0xFF60), (0xFFE0, 0xFFE6), (0x1F18E, 0x1F19A), (0x1F200, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F7E0, 0x1F7EB),
        (0x1F900, 0x1F9FF), (0x1FA70, 0x1FAFF), (0x20000, 0x3FFFD),
    ];

    /// <summary>The text without line ends, tabs and other control characters.</summary>
    /// <remarks>Names and messages come from whoever wrote to the log. An escape sequence in them must not reach the reader's terminal.</remarks>
    public static string Clean(string? text)
    {
        if (text is null)
            return "";
        if (!text.Any(IsUnprintable))
            return text;
        var clean = new StringBuilder(text.Length);
        foreach (var character in text.ReplaceLineEndings(" "))
            clean.Append(character == '\t' ? ' ' : IsUnprintable(character) ? '\uFFFD' : character);
        return clean.ToString();
    }

    /// <summary>How many cells a clean text takes.</summary>
    public static int Width(string text)
    {
        var width = 0;
        for (var at = 0; at < text.Length; at += Length(text, at))
            width += WidthAt(text, at);
        return width;
    }

    /// <summary>The text at exactly <paramref name="width"/> cells: cut with an ellipsis, or filled with spaces.</summary>
    public static string Fit(string text, int width, bool right = false)
    {
        var own = Width(text);
        if (own > width)
            (text, own) = Cut(text, width);
        var fill = new string(' ', width - own);
        return right ? fill + text : text + fill;
    }

    /// <summary>The text at no more than <paramref name="width"/> cells, with an ellipsis when something is missing; and its width.</summary>
    public static (string Text, int Width) Cut(string text, int width)
    {
        if (Width(text) is var own && own <= width)
            return (text, own);
        if (width <= 0)
            return ("", 0);
        var (at, used) = (0, 0);
        while (used + WidthAt(text, at) < width)
        {
            used += WidthAt(text, at);
            at += Length(text, at);
        }
        return (text[..at] + "…", used + 1);
    }

    // What a person sees as one character counts once: a family of emoji is one picture, an accent has no cell of its own.
    private static int Length(string text, int at) => StringInfo.GetNextTextElementLength(text, at);

    private static int WidthAt(string text, int at)
    {
        if (!Rune.TryGetRuneAt(text, at, out var rune))
            return 1;
        if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format)
            return 0;
        foreach (var (first, last) in Wide)
        {
            if (rune.Value >= first && rune.Value <= last)
                return 2;
        }
        return 1;
    }

    // Bidirectional controls are format characters, but they reorder the whole line.
    private static bool IsUnprintable(char character) =>
        char.IsControl(character) || character is '\u2028' or '\u2029' or (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');
}
