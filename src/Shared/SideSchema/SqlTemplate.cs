using System.Text;
using System.Text.RegularExpressions;

namespace OmniPg.Shared;

/// <summary>
/// Fills the names of a schema and of the side schema beside it into a statement, in one pass, so that nothing inside a filled-in name is taken for a placeholder. <c>@schema@</c> and
/// <c>@side@</c> are the quoted names, <c>….literal@</c> the quoted name inside a string literal, <c>….name.literal@</c> the bare one.
/// </summary>
internal static partial class SqlTemplate
{
    // The bodies of installed functions stand between these; a schema name must not end them.
    private const string BodyTag = "$omnipg$";

    /// <summary>Selects the blocks for a database with or without the side schema, then fills in the names.</summary>
    public static string Render(string template, PgIdentifier schema, PgIdentifier side, bool withSide, params ReadOnlySpan<(string Token, string Text)> more) =>
        Fill(SelectSide(template, withSide), schema, side, more);

    /// <summary>Keeps lines between <c>--side</c> or <c>--noside</c> and <c>--end</c> only where they belong.</summary>
    public static string SelectSide(string template, bool withSide) => Select(template, ("side", withSide));

    /// <summary>Keeps lines between <c>--name</c> or <c>--noname</c> and <c>--end</c> only where the condition of that name holds or does not; the last mark counts.</summary>
    public static string Select(string template, params ReadOnlySpan<(string Name, bool Holds)> conditions)
    {
        var text = new StringBuilder(template.Length);
        var take = true;
        foreach (var line in template.AsSpan().EnumerateLines())
        {
            if (Mark(line.Trim(), conditions) is { } holds)
                take = holds;
            else if (take)
                text.Append(line).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>
    /// Puts the schemas of a database in the place of the names that a statement has for them, so that its text can be tried in psql as it is written: <c>name.</c>, in
    /// string literals, too. In one pass, so that nothing inside a name is taken for a name again.
    /// </summary>
    public static string Rename(string statement, params ReadOnlySpan<(string Name, PgIdentifier? Schema)> schemas)
    {
        var text = new StringBuilder(statement.Length + 256);
        var (done, inLiteral) = (0, false);
        foreach (var found in Words().EnumerateMatches(statement))
        {
            var word = statement.AsSpan(found.Index, found.Length);
            inLiteral ^= word is "'";
            foreach (var (name, schema) in schemas)
            {
                if (schema is not { } actual || !word[..^1].SequenceEqual(name))
                    continue;
                text.Append(statement, done, found.Index - done).Append(inLiteral ? Escape(actual.Quoted) : actual.Quoted);
                done = found.Index + name.Length;
            }
        }
        return text.Append(statement, done, statement.Length - done).ToString();
    }

    // A comment is one word: an apostrophe in it begins no literal.
    [GeneratedRegex(@"--.*|'|\b\w+\.")]
    private static partial Regex Words();

    private static bool? Mark(ReadOnlySpan<char> line, ReadOnlySpan<(string Name, bool Holds)> conditions)
    {
        if (line is "--end")
            return true;
        foreach (var (name, holds) in conditions)
        {
            if (line.StartsWith("--", StringComparison.Ordinal) && line.EndsWith(name, StringComparison.Ordinal) && line[2..^name.Length] is "" or "no")
                return holds == (line.Length == name.Length + 2);
        }
        return null;
    }

    private static string Fill(string template, PgIdentifier schema, PgIdentifier side, ReadOnlySpan<(string Token, string Text)> more)
    {
        if (schema.Value.Contains(BodyTag, StringComparison.Ordinal) || side.Value.Contains(BodyTag, StringComparison.Ordinal))
            throw new ArgumentException($"A schema must not have '{BodyTag}' in its name.");

        ReadOnlySpan<(string Token, string Text)> tokens =
        [
            ("@schema@", schema.Quoted), ("@schema.literal@", Escape(schema.Quoted)), ("@schema.name.literal@", Escape(schema.Value)),
            ("@side@", side.Quoted), ("@side.literal@", Escape(side.Quoted)), ("@side.name.literal@", Escape(side.Value)), .. more,
        ];
        var text = new StringBuilder(template.Length + 256);
        var rest = template.AsSpan();
        while (rest.IndexOf('@') is >= 0 and var at)
        {
            text.Append(rest[..at]);
            rest = rest[at..];
            var taken = 1;
            var replacement = "@";
            foreach (var (token, value) in tokens)
            {
                if (rest.StartsWith(token, StringComparison.Ordinal))
                    (taken, replacement) = (token.Length, value);
            }
            text.Append(replacement);
            rest = rest[taken..];
        }
        return text.Append(rest).ToString();
    }

    private static string Escape(string value) => value.Replace("'", "''", StringComparison.Ordinal);
}
