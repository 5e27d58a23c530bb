using System.Text;

namespace OmniPg.Extractor.Secrets;

/// <summary>Reads string constants as the server writes them: <c>'…'</c>, with <c>E'…'</c> when a backslash is inside.</summary>
internal static class DeparsedLiteral
{
    public static string Unquote(string literal)
    {
        var escapes = literal[0] is 'E' or 'e';
        var start = escapes ? 2 : 1;
        var text = new StringBuilder(literal.Length);
        for (var at = start; at < literal.Length - 1; at++)
        {
            // Only doubled quotes and doubled backslashes occur in text that the server deparsed.
            if ((literal[at] == '\'' || (escapes && literal[at] == '\\')) && at + 1 < literal.Length - 1)
                at++;
            text.Append(literal[at]);
        }
        return text.ToString();
    }
}
