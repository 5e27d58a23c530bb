using System.Collections.Frozen;
using System.Text;

namespace OmniPg;

/// <summary>The lexical rules of identifiers in SQL text (manual section 4.1.1).</summary>
internal static class IdentifierText
{
    // Reserved words and those that cannot stand as a column, function or type name unquoted (manual, appendix C).
    private static readonly FrozenSet<string> KeyWords = FrozenSet.ToFrozenSet(
    [
        "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between", "bigint", "binary", "bit",
        "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "collation", "column", "concurrently",
        "constraint", "create", "cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time",
        "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except",
        "exists", "extract", "false", "fetch", "float", "for", "foreign", "freeze", "from", "full", "grant", "greatest", "group", "grouping",
        "having", "ilike", "in", "initially", "inner", "inout", "int", "integer", "intersect", "interval", "into", "is", "isnull", "join",
        "json", "json_array", "json_arrayagg", "json_exists", "json_object", "json_objectagg", "json_query", "json_scalar", "json_serialize",
        "json_table", "json_value", "lateral", "leading", "least", "left", "like", "limit", "localtime", "localtimestamp", "merge_action",
        "national", "natural", "nchar", "none", "normalize", "not", "notnull", "null", "nullif", "numeric", "offset", "on", "only", "or",
        "order", "out", "outer", "overlaps", "overlay", "placing", "position", "precision", "primary", "real", "references", "returning",
        "right", "row", "select", "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric", "system_user", "table",
        "tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim", "true", "union", "unique", "user", "using", "values",
        "varchar", "variadic", "verbose", "when", "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists",
        "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
    ], StringComparer.Ordinal);

    public static bool NeedsQuotes(string name)
    {
        if (name[0] is not ((>= 'a' and <= 'z') or '_'))
            return true;
        foreach (var c in name)
        {
            if (c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '_'))
                return true;
        }
        return KeyWords.Contains(name);
    }

    public static bool IsWellFormed(string name)
    {
        for (var rest = name.AsSpan(); !rest.IsEmpty;)
        {
            if (Rune.DecodeFromUtf16(rest, out _, out var used) != System.Buffers.OperationStatus.Done)
                return false;
            rest = rest[used..];
        }
        return true;
    }

    /// <summary>Reads one identifier at the start of the text; returns how many characters it takes, 0 when there is none.</summary>
    public static int Read(ReadOnlySpan<char> text, out string name)
    {
        name = "";
        if (text.IsEmpty)
            return 0;
        return text[0] == '"' ? ReadQuoted(text, out name) : ReadPlain(text, out name);
    }

    private static int ReadQuoted(ReadOnlySpan<char> text, out string name)
    {
        var builder = new StringBuilder();
        name = "";
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] != '"')
            {
                builder.Append(text[i]);
                continue;
            }
            if (i + 1 < text.Length && text[i + 1] == '"')
            {
                builder.Append('"');
                i++;
                continue;
            }
            name = builder.ToString();
            return i + 1;
        }
        return 0;
    }

    private static int ReadPlain(ReadOnlySpan<char> text, out string name)
    {
        var length = 0;
        while (length < text.Length && IsPlain(text[length], length == 0))
            length++;
        name = string.Create(length, text[..length], static (target, source) =>
        {
            for (var i = 0; i < target.Length; i++)
                target[i] = source[i] is >= 'A' and <= 'Z' ? (char)(source[i] | 0x20) : source[i];
        });
        return length;
    }

    private static bool IsPlain(char c, bool first) =>
        c is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or '_' or >= '\u0080' || (!first && c is (>= '0' and <= '9') or '$');
}
