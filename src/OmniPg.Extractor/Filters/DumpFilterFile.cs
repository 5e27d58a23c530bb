using System.Text;

namespace OmniPg.Extractor.Filters;

/// <summary>Filter files of pg_dump 17 (<c>--filter</c>), evaluated here so that they work with every pg_dump.</summary>
/// <remarks>
/// A line is <c>include|exclude</c>, a kind and a pattern; <c>#</c> starts a comment. Beyond pg_dump's kinds there are view, routine, owner and name.
/// </remarks>
internal static class DumpFilterFile
{
    public static void Add(string path, ExtractionFilter filter)
    {
        var number = 0;
        foreach (var line in ReadLines(path))
        {
            number++;
            var text = line.Trim();
            if (text.Length == 0 || text[0] == '#')
                continue;
            var words = text.Split((char[]?)null, 3, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 3 || words[0] is not ("include" or "exclude"))
                throw Wrong(path, number, text);
            Add(filter, words[0] == "include", words[1], WithoutComment(words[2]), () => Wrong(path, number, text));
        }
    }

    private static void Add(ExtractionFilter filter, bool include, string kind, string pattern, Func<Exception> wrong)
    {
        var (names, isPattern) = kind switch
        {
            "schema" => (filter.Schemas, false),
            "table" => (filter.Tables, true),
            "view" => (filter.Views, true),
            "routine" => (filter.Routines, false),
            "owner" => (filter.Owners, false),
            "name" => (filter.Names, true),
            _ => throw wrong(),
        };
        if (isPattern && include)
            names.IncludeRegex(QualifiedPattern(pattern));
        else if (isPattern)
            names.ExcludeRegex(QualifiedPattern(pattern));
        else if (include)
            names.Include(pattern);
        else
            names.Exclude(pattern);
    }

    // A pattern with a dot is schema.name; one without means any schema.
    private static string QualifiedPattern(string pattern)
    {
        var dot = DotOutsideQuotes(pattern);
        var name = PsqlPattern.ToExpression(dot < 0 ? pattern : pattern[(dot + 1)..]);
        return dot < 0 ? $@"^(?:[^.]*\.)?(?:{name})$" : $@"^(?:{PsqlPattern.ToExpression(pattern[..dot])})\.(?:{name})$";
    }

    private static int DotOutsideQuotes(string pattern)
    {
        var quoted = false;
        for (var at = 0; at < pattern.Length; at++)
        {
            if (pattern[at] == '"')
                quoted = !quoted;
            else if (pattern[at] == '.' && !quoted)
                return at;
        }
        return -1;
    }

    private static string WithoutComment(string pattern)
    {
        var quoted = false;
        for (var at = 0; at < pattern.Length; at++)
        {
            if (pattern[at] == '"')
                quoted = !quoted;
            else if (pattern[at] == '#' && !quoted)
                return pattern[..at].TrimEnd();
        }
        return pattern;
    }

    // A quoted name may go over several lines: a line with an open quote continues.
    private static IEnumerable<string> ReadLines(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path, Encoding.UTF8);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ExtractorOptionException("filter", $"The filter file '{path}' cannot be read: {error.Message}", innerException: error);
        }
        var open = "";
        foreach (var line in text.ReplaceLineEndings("\n").Split('\n'))
        {
            open = open.Length == 0 ? line : open + "\n" + line;
            if (open.TrimStart().StartsWith('#') || open.Count(static c => c == '"') % 2 == 0)
            {
                yield return open;
                open = "";
            }
        }
        if (open.Length > 0)
            yield return open;
    }

    private static ExtractorOptionException Wrong(string path, int number, string line) => new("filter",
        $"Line {number} of the filter file '{path}' is not understood: '{line}'.",
        "Write include or exclude, then schema, table, view, routine, owner or name, then a pattern.");
}
