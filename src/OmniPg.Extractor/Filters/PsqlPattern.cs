using System.Text;
using System.Text.RegularExpressions;

namespace OmniPg.Extractor.Filters;

/// <summary>A name pattern by the rules of psql and <c>pg_dump -n</c>.</summary>
/// <remarks>
/// <c>*</c> is any text, <c>?</c> any character, unquoted letters fold to lower case, text in double quotes stands for itself, <c>$</c> is
/// literal, and other characters keep their meaning in regular expressions (manual, psql, "Patterns").
/// </remarks>
internal static class PsqlPattern
{
    public static Regex ToRegex(string pattern, string option) => UserRegex.Create($"^(?:{ToExpression(pattern)})$", option, pattern);

    /// <summary>The pattern as a regular expression, without anchors.</summary>
    public static string ToExpression(string pattern)
    {
        var expression = new StringBuilder();
        var quoted = false;
        for (var at = 0; at < pattern.Length; at++)
        {
            var c = pattern[at];
            if (c == '"')
            {
                if (quoted && at + 1 < pattern.Length && pattern[at + 1] == '"')
                    at++;
                else
                {
                    quoted = !quoted;
                    continue;
                }
            }
            Append(expression, c, quoted);
        }
        return expression.ToString();
    }

    private static void Append(StringBuilder expression, char c, bool quoted)
    {
        if (quoted)
            expression.Append(Regex.Escape(c.ToString()));
        else if (c == '*')
            expression.Append(".*");
        else if (c == '?')
            expression.Append('.');
        else if (c is '$' or '.')
            expression.Append('\\').Append(c);
        else
            expression.Append(char.ToLowerInvariant(c));
    }
}
