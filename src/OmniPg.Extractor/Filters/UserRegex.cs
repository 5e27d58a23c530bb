using System.Text.RegularExpressions;

namespace OmniPg.Extractor.Filters;

/// <summary>Regular expressions that come from users: linear time where the pattern allows it, a time limit where not.</summary>
internal static class UserRegex
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    public static Regex Create(string expression, string option, string? shown = null)
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
