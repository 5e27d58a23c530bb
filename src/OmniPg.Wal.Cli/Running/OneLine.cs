using System.Globalization;
using System.Text;

namespace OmniPg.Wal.Cli;

/// <summary>Keeps a message on one line: a hostile file name must not forge a second one.</summary>
internal static class OneLine
{
    public static string Of(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\x1f') && !text.Contains('\x7f', StringComparison.Ordinal))
            return text;
        var result = new StringBuilder(text.Length + 8);
        foreach (var c in text)
        {
            if (char.IsControl(c))
                result.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:X2}");
            else
                result.Append(c);
        }

        return result.ToString();
    }
}
