using System.Collections.Frozen;

namespace OmniPg.Extractor;

/// <summary>Quotes identifiers exactly as the fmtId of the pg_dump that made the archive (string_utils.c).</summary>
/// <remarks>
/// PgIdentifier knows the key words of the newest server; here the text must equal that of one certain major, so this is a second, dated list:
/// every word of that major's grammar that is not an "unreserved" key word.
/// </remarks>
internal sealed class SqlNames(int major)
{
    // Key words of PostgreSQL 9.0 to 12 and all later ones (pg_get_keywords() where catcode is not U).
    private const string Old =
        "all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char " +
        "character check coalesce collate collation column concurrently constraint create cross current_catalog current_date " +
        "current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do " +
        "else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike " +
        "in initially inner inout int integer intersect interval into is isnull join lateral leading least left like limit " +
        "localtime localtimestamp national natural nchar none not notnull null nullif numeric offset on only or order out outer " +
        "overlaps overlay placing position precision primary real references returning right row select session_user setof " +
        "similar smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union unique " +
        "user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest " +
        "xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable";

    private static readonly (int Major, string Words)[] Later =
    [
        (13, "normalize"),
        (16, "json_array json_arrayagg json_object json_objectagg system_user"),
        (17, "json json_exists json_query json_scalar json_serialize json_table json_value merge_action"),
    ];

    private static readonly FrozenDictionary<string, int> KeyWords = Later
        .Prepend((Major: 0, Words: Old))
        .SelectMany(group => group.Words.Split(' ').Select(word => KeyValuePair.Create(word, group.Major)))
        .ToFrozenDictionary(StringComparer.Ordinal);

    public string Quote(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return IsPlain(name) && !(KeyWords.TryGetValue(name, out var since) && since <= major)
            ? name
            : string.Concat("\"", name.Replace("\"", "\"\"", StringComparison.Ordinal), "\"");
    }

    public string Qualify(string? schema, string name) => string.IsNullOrEmpty(schema) ? Quote(name) : $"{Quote(schema)}.{Quote(name)}";

    private static bool IsPlain(string name)
    {
        if (name.Length == 0 || name[0] is not ((>= 'a' and <= 'z') or '_'))
            return false;
        foreach (var c in name)
        {
            if (c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '_'))
                return false;
        }
        return true;
    }
}
