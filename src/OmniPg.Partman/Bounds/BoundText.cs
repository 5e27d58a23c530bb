using System.Globalization;
using System.Text;

namespace OmniPg.Partman;

/// <summary>
/// What <c>pg_get_expr(relpartbound, oid)</c> says of a partition (<c>get_partition_bound_spec</c>, src/backend/utils/adt/ruleutils.c), read as SQL
/// literals: quoted and bare numbers mix, quotes are doubled, several columns stand side by side.
/// </summary>
/// <param name="Kind">Which of the four forms.</param>
/// <param name="From">Lower end of a range, one value for each column; the values of a list; modulus and remainder of a hash partition.</param>
/// <param name="To">Upper end of a range.</param>
internal sealed record BoundText(BoundText.Form Kind, IReadOnlyList<BoundText.Value> From, IReadOnlyList<BoundText.Value> To)
{
    internal enum Form
    {
        Default,
        Range,
        List,
        Hash,
    }

    internal enum Word
    {
        None,
        Min,
        Max,
        Null,
    }

    /// <summary>A literal without its quotes, or one of the words that are no literal.</summary>
    internal readonly record struct Value(string Text, Word Word = Word.None);

    /// <exception cref="FormatException">The text is none of the four forms.</exception>
    public static BoundText Parse(string text)
    {
        var rest = text.AsSpan().Trim();
        if (rest.SequenceEqual("DEFAULT"))
            return new BoundText(Form.Default, [], []);
        Take(ref rest, "FOR VALUES ", text);
        if (rest.StartsWith("WITH "))
        {
            Take(ref rest, "WITH (modulus ", text);
            var comma = rest.IndexOf(',');
            Value[] parts = [new(rest[..comma].ToString()), new(rest[(comma + ", remainder ".Length)..^1].ToString())];
            return new BoundText(Form.Hash, parts, []);
        }
        if (rest.StartsWith("IN "))
        {
            Take(ref rest, "IN ", text);
            return new BoundText(Form.List, End(Values(ref rest, text), rest, text), []);
        }
        Take(ref rest, "FROM ", text);
        var from = Values(ref rest, text);
        Take(ref rest, " TO ", text);
        return new BoundText(Form.Range, from, End(Values(ref rest, text), rest, text));
    }

    private static List<Value> End(List<Value> values, ReadOnlySpan<char> rest, string text) => rest.IsEmpty ? values : throw Unreadable(text);

    private static void Take(ref ReadOnlySpan<char> rest, string word, string text)
    {
        if (!rest.StartsWith(word))
            throw Unreadable(text);
        rest = rest[word.Length..];
    }

    private static List<Value> Values(ref ReadOnlySpan<char> rest, string text)
    {
        Take(ref rest, "(", text);
        var values = new List<Value>();
        while (true)
        {
            values.Add(One(ref rest, text));
            if (rest.StartsWith(", "))
            {
                rest = rest[2..];
                continue;
            }
            Take(ref rest, ")", text);
            return values;
        }
    }

    private static Value One(ref ReadOnlySpan<char> rest, string text)
    {
        if (rest.StartsWith("'") || rest.StartsWith("E'"))
            return new Value(Quoted(ref rest, text));
        var length = rest.IndexOfAny(',', ')');
        if (length <= 0)
            throw Unreadable(text);
        var word = rest[..length].ToString();
        rest = rest[length..];
        return word switch
        {
            "MINVALUE" => new Value("", Word.Min),
            "MAXVALUE" => new Value("", Word.Max),
            "NULL" => new Value("", Word.Null),
            "true" or "false" => new Value(word),
            _ when decimal.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out _) => new Value(word),
            _ => throw Unreadable(text),
        };
    }

    private static string Quoted(ref ReadOnlySpan<char> rest, string text)
    {
        var escaped = rest[0] == 'E';
        var value = new StringBuilder();
        for (var i = escaped ? 2 : 1; i < rest.Length; i++)
        {
            if (rest[i] == '\'' && (i + 1 == rest.Length || rest[i + 1] != '\''))
            {
                rest = rest[(i + 1)..];
                return value.ToString();
            }
            if (rest[i] == '\'' || (escaped && rest[i] == '\\'))
                i++;
            if (i < rest.Length)
                value.Append(rest[i]);
        }
        throw Unreadable(text);
    }

    private static FormatException Unreadable(string text) => new($"'{text}' is not a partition bound.");
}
