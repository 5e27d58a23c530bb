using System.Text;

namespace OmniPg.Extractor;

/// <summary>Takes column options out that number an instance rather than say anything about the schema.</summary>
/// <remarks>
/// Servers from 15.20 and 17.12 on keep <c>pg_attver</c> in <c>pg_attribute.attoptions</c>. The pg_dump of the same release hides it; one that does not
/// know it, an older minor or another major, prints it, and no other server accepts it.
/// </remarks>
internal static class InstanceNumbers
{
    private const string Option = "pg_attver";

    public static TocEntry Remove(TocEntry entry) =>
        entry.Kind is TocKind.Table or TocKind.ForeignTable or TocKind.MaterializedView or TocKind.View or TocKind.Index
        && entry.Definition?.Contains(Option, StringComparison.Ordinal) == true
            ? entry with { Definition = Without(entry.Definition) }
            : entry;

    private static string Without(string definition)
    {
        var result = new StringBuilder(definition);
        foreach (var statement in StatementSplitter.Split(definition).Reverse())
        {
            if (OptionsIn(statement.Text) is not { } options)
                continue;
            var kept = options.Items.Where(static item => !item.StartsWith(Option + "=", StringComparison.Ordinal)).ToList();
            if (kept.Count == options.Items.Count)
                continue;
            if (kept.Count > 0)
            {
                result.Remove(statement.Offset + options.Start, options.End - options.Start).Insert(statement.Offset + options.Start, string.Join(", ", kept));
                continue;
            }
            // The statement goes with its semicolon and the line end behind it.
            var end = statement.Offset + statement.Text.Length;
            while (end < result.Length && result[end] is ';' or '\n')
                end++;
            var isLast = end == result.Length;
            result.Remove(statement.Offset, end - statement.Offset);
            if (isLast)
                TrimEnd(result);
            else if (statement.Offset > 0 && result[statement.Offset - 1] != '\n')
                result.Insert(statement.Offset, '\n');
        }
        return result.ToString();
    }

    private static void TrimEnd(StringBuilder text)
    {
        while (text.Length > 0 && text[^1] is '\n' or ' ')
            text.Length--;
        text.Append('\n');
    }

    // ALTER TABLE ONLY s.t ALTER COLUMN c SET (a=1, b=2)
    private static (int Start, int End, List<string> Items)? OptionsIn(string statement)
    {
        var reader = new SqlTokenReader(statement);
        if (!reader.Next().IsKeyword("ALTER") || !reader.SkipTo("COLUMN"))
            return null;
        reader.Next();
        var open = reader.Next().IsKeyword("SET") ? reader.Next() : default;
        if (open.Kind != SqlTokenKind.Symbol || !open.IsSymbol('('))
            return null;
        var (items, from) = (new List<string>(), open.End);
        for (var token = reader.Next(); token.Kind != SqlTokenKind.End; token = reader.Next())
        {
            if (!token.IsSymbol(',') && !token.IsSymbol(')'))
                continue;
            items.Add(statement[from..token.Start].Trim());
            from = token.End;
            if (token.IsSymbol(')'))
                return (open.End, token.Start, items);
        }
        return null;
    }
}
