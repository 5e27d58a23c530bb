using System.Text;

namespace OmniPg.Shared;

/// <summary>
/// Fills the names of a schema and of the side schema beside it into a statement, in one pass, so that nothing inside a filled-in name is taken for a placeholder. <c>@schema@</c> and
/// <c>@side@</c> are the quoted names, <c>….literal@</c> the quoted name inside a string literal, <c>….name.literal@</c> the bare one.
/// </summary>
internal static class SqlTemplate
{
    // The bodies of installed functions stand between these; a schema name must not end them.
    private const string BodyTag = "$omnipg$";

    /// <summary>Selects the blocks for a database with or without the side schema, then fills in the names.</summary>
    public static string Render(string template, PgIdentifier schema, PgIdentifier side, bool withSide, params ReadOnlySpan<(string Token, string Text)> more) =>
        Fill(SelectSide(template, withSide), schema, side, more);

    /// <summary>Keeps lines between <c>--side</c> or <c>--noside</c> and <c>--end</c> only where they belong.</summary>
    public static string SelectSide(string template, bool withSide)
    {
        var text = new StringBuilder(template.Length);
        var take = true;
        foreach (var line in template.AsSpan().EnumerateLines())
        {
            switch (line.Trim())
            {
                case "--side": take = withSide; break;
                case "--noside": take = !withSide; break;
                case "--end": take = true; break;
                default:
                    if (take)
                        text.Append(line).Append('\n');
                    break;
            }
        }
        return text.ToString();
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
