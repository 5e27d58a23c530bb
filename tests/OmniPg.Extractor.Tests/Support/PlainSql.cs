using System.Text;

namespace OmniPg.Extractor.Tests;

/// <summary>Scripts in comparable form.</summary>
internal static class PlainSql
{
    private static readonly string[] Marks = ["\\restrict ", "\\unrestrict "];

    /// <summary>Takes out the two lines with a random key that pg_restore writes, each with the empty line behind it. Latin-1 keeps all bytes.</summary>
    public static byte[] WithoutRestrict(byte[] script)
    {
        var text = Encoding.Latin1.GetString(script);
        foreach (var mark in Marks)
        {
            // The first such line of a script and the last one; others would be data.
            var at = mark == Marks[0] ? text.IndexOf("\n" + mark, StringComparison.Ordinal) : text.LastIndexOf("\n" + mark, StringComparison.Ordinal);
            if (at < 0)
                continue;
            var end = text.IndexOf("\n\n", at + 1, StringComparison.Ordinal);
            text = string.Concat(text.AsSpan(0, at + 1), text.AsSpan(end + 2));
        }
        return Encoding.Latin1.GetBytes(text);
    }
}
