using System.Collections.Frozen;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Writes entries as the SQL text that pg_restore gives them, and keeps the session state that runs along with the text.</summary>
/// <remarks>
/// One instance per script or file: <c>default_tablespace</c> and <c>default_table_access_method</c> are set only where an entry needs another
/// value than the one before it. Not thread-safe.
/// </remarks>
internal sealed class EntrySqlWriter
{
    private const int PartitionedTable = 'p';
    private readonly ComposeOptions _options;
    private readonly SqlNames _names;
    private readonly OwnerStatement _owner;
    private readonly Func<int, TocEntry?> _find;
    private readonly bool _setsSearchPath;
    private string? _schema;
    private string? _tablespace;
    private string? _tableAm;

    /// <param name="options">What to leave out.</param>
    /// <param name="dumpVersion">Text of <see cref="ArchiveHeader.DumpVersion"/>: decides spellings that differ by major.</param>
    /// <param name="find">Entry by dump id, for grants on groups of large objects.</param>
    /// <param name="setsSearchPath">
    /// Whether names in the text are unqualified and need a search path: true for archives without <see cref="ArchiveSession.SearchPathStatement"/>.
    /// </param>
    public EntrySqlWriter(ComposeOptions options, string dumpVersion, Func<int, TocEntry?> find, bool setsSearchPath = false)
    {
        _setsSearchPath = setsSearchPath;
        _options = options;
        var major = (VersionText.Major(dumpVersion) ?? int.MaxValue);
        _names = new SqlNames(major);
        _owner = new OwnerStatement(_names, major);
        _find = find;
    }

    /// <summary>Session settings, comment block, definition, owner.</summary>
    public void AppendDefinition(StringBuilder sql, TocEntry entry)
    {
        AppendSettings(sql, entry);
        EntryHeader.Append(sql, entry, _options, isData: false);
        AppendBody(sql, entry);
        if (!_options.NoOwner)
            _owner.Append(sql, entry);
        if (entry.RelKind == PartitionedTable && !string.IsNullOrEmpty(entry.TableAm) && !_options.NoTableAccessMethod)
            sql.Append("ALTER TABLE ").Append(_names.Qualify(entry.Namespace, entry.Tag ?? "")).Append(" SET ACCESS METHOD ").Append(_names.Quote(entry.TableAm)).Append(";\n\n");
    }

    /// <summary>What stands before the data of an entry: settings, comment block, definition if it only carries a remark, COPY.</summary>
    public void AppendDataHead(StringBuilder sql, TocEntry entry)
    {
        AppendSettings(sql, entry);
        EntryHeader.Append(sql, entry, _options, isData: true);
        AppendBody(sql, entry);
        if (!_options.NoOwner)
            _owner.Append(sql, entry);
        if (entry.Kind == TocKind.Blobs)
            AppendSearchPath(sql, "pg_catalog");
        sql.Append(entry.CopyStatement);
    }

    /// <summary>DROP statement, if the entry has one.</summary>
    public void AppendDrop(StringBuilder sql, TocEntry entry)
    {
        if (entry.DropStatement is not null)
            AppendSearchPath(sql, entry.Namespace);
        DropStatement.Append(sql, entry, _options.IfExists);
    }

    /// <summary>Forgets the search path, which may name a schema that was dropped.</summary>
    public void ForgetSearchPath() => _schema = null;

    private void AppendSearchPath(StringBuilder sql, string? schema)
    {
        if (!_setsSearchPath || string.IsNullOrEmpty(schema) || schema == _schema)
            return;
        sql.Append("SET search_path = ").Append(_names.Quote(schema)).Append(schema == "pg_catalog" ? ";\n\n" : ", pg_catalog;\n\n");
        _schema = schema;
    }

    private void AppendBody(StringBuilder sql, TocEntry entry)
    {
        if (entry.Kind == TocKind.BlobMetadata)
            LargeObjectSql.Append(sql, entry, "SELECT pg_catalog.lo_create('", "')");
        else if (GroupOfAcl(entry) is { } group)
            LargeObjectSql.AppendAcl(sql, group, entry.Definition ?? "");
        else if (_options.NoOwner && entry.Kind == TocKind.Schema && entry.Definition?.StartsWith("--", StringComparison.Ordinal) == false)
            sql.Append("CREATE SCHEMA ").Append(_names.Quote(entry.Tag ?? "")).Append(";\n\n\n");
        else if (!string.IsNullOrEmpty(entry.Definition))
            sql.Append(entry.Definition).Append("\n\n");
    }

    private TocEntry? GroupOfAcl(TocEntry entry)
    {
        if (entry.Kind != TocKind.Acl || entry.Tag?.StartsWith("LARGE OBJECTS ", StringComparison.Ordinal) != true || entry.Dependencies.IsEmpty)
            return null;
        return _find(entry.Dependencies[0]) is { Kind: TocKind.BlobMetadata } group ? group : null;
    }

    private void AppendSettings(StringBuilder sql, TocEntry entry)
    {
        AppendSearchPath(sql, entry.Namespace);
        if (entry.Tablespace is { } tablespace && tablespace != _tablespace && !_options.NoTablespaces)
        {
            sql.Append("SET default_tablespace = ").Append(tablespace.Length == 0 ? "''" : _names.Quote(tablespace)).Append(";\n\n");
            _tablespace = tablespace;
        }
        if (entry.TableAm is { } tableAm && tableAm != _tableAm && entry.RelKind != PartitionedTable && !_options.NoTableAccessMethod)
        {
            sql.Append("SET default_table_access_method = ").Append(_names.Quote(tableAm)).Append(";\n\n");
            _tableAm = tableAm;
        }
    }

    /// <summary>The comment block above each entry (_printTocEntry in pg_backup_archiver.c).</summary>
    private static class EntryHeader
    {
        public static void Append(StringBuilder sql, TocEntry entry, ComposeOptions options, bool isData)
        {
            sql.Append("--\n-- ").Append(Prefix(entry, isData)).Append("Name: ");
            AppendOnOneLine(sql, entry.Tag ?? "");
            sql.Append("; Type: ").Append(entry.Desc).Append("; Schema: ");
            AppendOnOneLine(sql, entry.Namespace ?? "-");
            sql.Append("; Owner: ");
            AppendOnOneLine(sql, (options.NoOwner ? null : entry.Owner) ?? "-");
            if (!string.IsNullOrEmpty(entry.Tablespace) && !options.NoTablespaces)
            {
                sql.Append("; Tablespace: ");
                AppendOnOneLine(sql, entry.Tablespace);
            }
            sql.Append("\n--\n\n");
        }

        private static string Prefix(TocEntry entry, bool isData) => (entry.Kind, isData) switch
        {
            (TocKind.StatisticsData or TocKind.ExtendedStatisticsData, _) => "Statistics for ",
            (_, true) => "Data for ",
            _ => "",
        };

        // A line end in a name would end the comment and let the rest of the name be executed (CVE-2025-8714 and its relatives).
        private static void AppendOnOneLine(StringBuilder sql, string name)
        {
            var start = sql.Length;
            sql.Append(name).Replace('\n', ' ', start, name.Length).Replace('\r', ' ', start, name.Length);
        }
    }

    /// <summary>ALTER … OWNER TO, which pg_restore derives from an entry's kind and its DROP statement (_getObjectDescription).</summary>
    private sealed class OwnerStatement(SqlNames names, int major)
    {
        public void Append(StringBuilder sql, TocEntry entry)
        {
            // Whatever cannot be dropped by itself has no owner of its own.
            if (string.IsNullOrEmpty(entry.Owner) || string.IsNullOrEmpty(entry.DropStatement))
                return;
            if (entry.Kind == TocKind.BlobMetadata)
                LargeObjectSql.Append(sql, entry, "ALTER LARGE OBJECT ", $" OWNER TO {names.Quote(entry.Owner)}");
            else if (Describe(entry) is { } description)
                sql.Append("ALTER ").Append(description).Append(" OWNER TO ").Append(names.Quote(entry.Owner)).Append(";\n\n");
        }

        private string? Describe(TocEntry entry)
        {
            switch (entry.Kind)
            {
                case TocKind.Collation or TocKind.Conversion or TocKind.Domain or TocKind.ForeignTable or TocKind.MaterializedView
                    or TocKind.Sequence or TocKind.Statistics or TocKind.Table or TocKind.TextSearchDictionary or TocKind.TextSearchConfiguration
                    or TocKind.Type or TocKind.View
                    or TocKind.Database or TocKind.ProceduralLanguage or TocKind.Schema or TocKind.EventTrigger or TocKind.ForeignDataWrapper
                    or TocKind.Server or TocKind.Publication or TocKind.Subscription:
                    return $"{Command(entry)} {names.Qualify(entry.Namespace, entry.Tag ?? "")}";
                case TocKind.Blob:
                    return $"LARGE OBJECT {entry.Tag}";
                case TocKind.Aggregate or TocKind.Function or TocKind.Procedure or TocKind.Operator or TocKind.OperatorClass or TocKind.OperatorFamily:
                    return FromDrop(entry.DropStatement!);
                default:
                    return null;
            }
        }

        // pg_restore before 16 spoke of every relation but a foreign table as a table.
        private string Command(TocEntry entry) =>
            major < 16 && entry.Kind is TocKind.View or TocKind.MaterializedView or TocKind.Sequence ? "TABLE" : entry.Desc;

        // Signatures and access methods stand only in the DROP statement: take it without "DROP " and its end.
        private static string? FromDrop(string drop) =>
            drop.StartsWith("DROP ", StringComparison.Ordinal) ? drop["DROP ".Length..].TrimEnd('\n', ';') : null;
    }

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
}
