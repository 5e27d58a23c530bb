using System.Text.RegularExpressions;

namespace OmniPg.Partman;

/// <summary>Reads the range that the checks of a table leave for its rows, in the forms by which the server spares an attach its scan.</summary>
internal static partial class CheckedRange
{
    /// <summary>The column that all of some tables' checks are about; null when there is none, or more than one.</summary>
    /// <param name="checks">The checks of each table, as <c>pg_get_constraintdef</c> prints them.</param>
    public static string? ColumnOf(IEnumerable<IReadOnlyList<string>> checks)
    {
        HashSet<string>? common = null;
        foreach (var one in checks)
        {
            var columns = one.SelectMany(Terms).GroupBy(t => t.Column).Where(g => g.Any(t => t.Operator[0] is '>' or '=') && g.Any(t => t.Operator[0] is '<' or '=')).Select(g => g.Key).ToHashSet();
            if (common is null)
                common = columns;
            else
                common.IntersectWith(columns);
        }
        return common is { Count: 1 } ? Unquoted(common.Single()) : null;
    }

    /// <summary>The range; null where the checks leave it open at an end.</summary>
    /// <exception cref="FormatException">A value is none of the key.</exception>
    public static (PartitionBound Lower, PartitionBound Upper)? Of(IReadOnlyList<string> checks, PartitionKey key)
    {
        PartitionBound? lower = null, upper = null;
        foreach (var term in checks.SelectMany(Terms).Where(t => Unquoted(t.Column) == key.Column.Value))
        {
            var value = key.Read(new BoundText.Value(term.Value));
            var next = value.Id is { } id and < long.MaxValue && key.Type != "numeric" ? PartitionBound.Of(id + 1) : (PartitionBound?)null;
            if (term.Operator is ">=" or "=" && (lower is not { } low || value > low))
                lower = value;
            // Below or equal is below the next one, where there is a next one.
            if ((term.Operator == "<" ? value : term.Operator is "<=" or "=" ? next : null) is { } end && (upper is not { } high || end < high))
                upper = end;
        }
        return lower is { } from && upper is { } to && from < to ? (from, to) : null;
    }

    private static IEnumerable<(string Column, string Operator, string Value)> Terms(string check)
    {
        var terms = new List<(string, string, string)>();
        var rest = Term().Replace(check, match =>
        {
            var text = match.Groups["text"];
            terms.Add((match.Groups["column"].Value, match.Groups["operator"].Value, text.Success ? text.Value.Replace("''", "'", StringComparison.Ordinal) : match.Groups["number"].Value));
            return "T";
        });
        // Anything but a conjunction leaves rows beyond the range.
        return Conjunction().IsMatch(rest) ? terms : [];
    }

    private static string Unquoted(string column) => column.StartsWith('"') ? column[1..^1].Replace("\"\"", "\"", StringComparison.Ordinal) : column;

    // at >= '2026-01-01 00:00:00+00'::timestamp with time zone, id < 20, id >= '-10'::integer, id >= (- 10)
    [GeneratedRegex("""(?<column>"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*) (?<operator>>=|<=|<|=) (?:'(?<text>(?:[^']|'')*)'::[a-z]+(?: with(?:out)? time zone)?|(?<number>[0-9]+)(?:::[a-z]+)?)""", RegexOptions.CultureInvariant)]
    private static partial Regex Term();

    [GeneratedRegex("""^CHECK [(T]+(?:\)* AND \(*T)*\)+$""", RegexOptions.CultureInvariant)]
    private static partial Regex Conjunction();
}
