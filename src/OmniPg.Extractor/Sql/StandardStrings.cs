using System.Text;

namespace OmniPg.Extractor;

/// <summary>Rewrites text that was written under <c>standard_conforming_strings = off</c> so that it means the same under <c>on</c>.</summary>
/// <remarks>
/// pg_dump and the server double every backslash of a plain constant then (appendStringLiteral in string_utils.c, simple_quote_literal in ruleutils.c):
/// those become single ones, which is the very text of a dump under <c>on</c>. Any other escape keeps its constant, as <c>E'…'</c>.
/// </remarks>
internal static class StandardStrings
{
    public static string Conforming(string sql)
    {
        if (!sql.Contains('\\', StringComparison.Ordinal))
            return sql;
        var result = new StringBuilder(sql.Length);
        for (var at = 0; at < sql.Length;)
        {
            var isEscaped = sql[at] == '\'' && at > 0 && sql[at - 1] is 'E' or 'e' && (at < 2 || !IsWord(sql[at - 2]));
            var end = EndOf(sql, at);
            if (sql[at] == '\'' && !isEscaped)
                AppendConstant(result, sql.AsSpan(at, end - at));
            else
                result.Append(sql, at, end - at);
            at = end;
        }
        return result.ToString();
    }

    // End of the comment, name, constant or dollar quote that begins here; else of one character.
    private static int EndOf(string sql, int at) => sql[at] switch
    {
        '\'' => EndOfConstant(sql, at),
        '"' => After(sql, "\"", at + 1),
        '-' when Stands(sql, "--", at) => After(sql, "\n", at),
        '/' when Stands(sql, "/*", at) => EndOfComment(sql, at),
        '$' when at == 0 || !IsWord(sql[at - 1]) => EndOfDollarQuote(sql, at),
        _ => at + 1,
    };

    private static int EndOfConstant(string sql, int at)
    {
        for (at++; at < sql.Length; at++)
        {
            if (sql[at] == '\\' || Stands(sql, "''", at))
                at++;
            else if (sql[at] == '\'')
                return at + 1;
        }
        return sql.Length;
    }

    private static int EndOfComment(string sql, int at)
    {
        var depth = 1;
        for (at += 2; at < sql.Length && depth > 0; at++)
        {
            if (Stands(sql, "/*", at))
                (depth, at) = (depth + 1, at + 1);
            else if (Stands(sql, "*/", at))
                (depth, at) = (depth - 1, at + 1);
        }
        return Math.Min(at, sql.Length);
    }

    private static int EndOfDollarQuote(string sql, int at)
    {
        var end = at + 1;
        while (end < sql.Length && IsWord(sql[end]))
            end++;
        return end < sql.Length && sql[end] == '$' && !(end > at + 1 && char.IsAsciiDigit(sql[at + 1])) ? After(sql, sql[at..(end + 1)], end + 1) : at + 1;
    }

    private static int After(string sql, string mark, int from)
    {
        var found = from < sql.Length ? sql.IndexOf(mark, from, StringComparison.Ordinal) : -1;
        return found < 0 ? sql.Length : found + mark.Length;
    }

    private static void AppendConstant(StringBuilder result, ReadOnlySpan<char> constant)
    {
        var text = constant.ToString();
        var plain = text.Replace(@"\\", "", StringComparison.Ordinal);
        if (plain.Contains('\\', StringComparison.Ordinal))
            result.Append('E').Append(text);
        else
            result.Append(text.Replace(@"\\", @"\", StringComparison.Ordinal));
    }

    private static bool Stands(string sql, string mark, int at) => string.CompareOrdinal(sql, at, mark, 0, mark.Length) == 0;

    private static bool IsWord(char c) => SqlScanner.IsWordCharacter(c);
}
