using System.Text;

namespace OmniPg.Extractor.Filters;

/// <summary>Cuts a filter file of pg_dump into rules, by quotes: a quoted name may hold <c>#</c> and line ends, a comment may hold a quote.</summary>
internal static class FilterLines
{
    /// <returns>Each rule without its comment, and the number of its first line. A name that is still open at the end of the text ends there.</returns>
    public static IEnumerable<(int Number, string Text)> Read(string text)
    {
        var rule = new StringBuilder();
        var (quoted, comment, line, start) = (false, false, 1, 1);
        foreach (var c in text.ReplaceLineEndings("\n"))
        {
            if (c == '\n' && !quoted)
            {
                yield return (start, rule.ToString().Trim());
                rule.Clear();
                (comment, start) = (false, line + 1);
            }
            else if (!comment)
            {
                comment = c == '#' && !quoted;
                quoted ^= c == '"';
                if (!comment)
                    rule.Append(c);
            }
            if (c == '\n')
                line++;
        }
        yield return (start, rule.ToString().Trim());
    }
}
