using System.Text;

namespace OmniPg.Extractor.Filters;

/// <summary>
/// A filter as text: one item per line, <c>+schema app</c> includes, <c>-table~ ^tmp</c> excludes by expression, <c>-table~* …</c> with children.
/// </summary>
internal static class FilterText
{
    public static string Write(ExtractionFilter filter)
    {
        var text = new StringBuilder();
        foreach (var names in filter.All)
        {
            foreach (var (item, isIncluded) in names.Items)
            {
                text.Append(isIncluded ? '+' : '-').Append(names.Name).Append(item.IsExpression ? "~" : "").Append(item.WithChildren ? "* " : " ")
                    .Append(item.Text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)).Append('\n');
            }
        }
        return text.ToString().TrimEnd('\n');
    }

    public static void Read(string text, ExtractionFilter filter)
    {
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space < 2)
                continue;
            var name = line[1..space];
            var names = filter.All.FirstOrDefault(f => f.Name == name.TrimEnd('~', '*'));
            var item = Unescape(line[(space + 1)..]);
            // What is read here extracts definitions for a comparison: filters on rows would have nothing to work on.
            if (names == filter.TableData || names == filter.ForeignData)
                continue;
            _ = (line[0], name.Contains('~', StringComparison.Ordinal)) switch
            {
                ('+', false) => names?.Include(item),
                ('-', false) => names?.Exclude(item),
                _ => names?.AddRegex(line[0] == '+', item, name.EndsWith('*')),
            };
        }
    }

    private static string Unescape(string text)
    {
        var result = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            var escaped = text[at] == '\\' && at + 1 < text.Length;
            if (escaped)
                at++;
            result.Append(escaped && text[at] == 'n' ? '\n' : text[at]);
        }
        return result.ToString();
    }
}
