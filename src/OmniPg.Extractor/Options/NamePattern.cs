using System.Text;
using System.Text.RegularExpressions;

namespace OmniPg.Extractor;

/// <summary>Name patterns by the rules of psql and <c>pg_dump -n</c>, and regular expressions that come from users.</summary>
/// <remarks>
/// <c>*</c> is any text, <c>?</c> any character, unquoted letters fold to lower case, text in double quotes stands for itself, <c>$</c> is
/// literal, and other characters keep their meaning in regular expressions (manual, psql, "Patterns").
/// </remarks>
internal static class NamePattern
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    public static Regex FromPsql(string pattern, string option) => Compile($"^(?:{ToExpression(pattern)})$", option, pattern);

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

    /// <summary>A regular expression of a user: linear time where it allows that, a time limit where not.</summary>
    public static Regex Compile(string expression, string option, string? shown = null)
    {
        const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.Singleline;
        try
        {
            return new Regex(expression, Options | RegexOptions.NonBacktracking, Limit);
        }
        catch (NotSupportedException)
        {
            // Look-around and back-references need backtracking; the time limit then bounds the damage.
            return new Regex(expression, Options, Limit);
        }
        catch (ArgumentException error)
        {
            throw new ExtractorOptionException(option, $"The {option} '{shown ?? expression}' is not valid: {error.Message}", innerException: error);
        }
    }

    public static bool Matches(Regex expression, string name, string option)
    {
        try
        {
            return expression.IsMatch(name);
        }
        catch (RegexMatchTimeoutException error)
        {
            throw new ExtractorOptionException(option, $"The {option} '{expression}' took longer than 2 s on the name '{name}'.",
                "Write it without look-around and back-references.", error);
        }
    }
}
