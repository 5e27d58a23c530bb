using System.Globalization;

namespace OmniPg.Partman;

/// <summary>Questions whether rows can leave a partition for another table without anybody taking that for a deletion, or for new rows, and without a value changing.</summary>
internal static class RowMoves
{
    /// <summary>Name of the trigger that notes the keys of rows that are written to while they are copied.</summary>
    public const string LogTrigger = "omnipg_log";

    /// <summary>End of the name of the function that it calls, and of the log, while partitions are repartitioned.</summary>
    public const string GroupLogEnd = "_omnipg_grouplog";

    // A foreign key of a table to itself counts: ON DELETE CASCADE would take the referring rows along. Those of partitions repeat that of their table.
    private const string Leaving =
        """
        SELECT '{unsupported}' AS reason, format('Trigger ''%s'' of ''%s.%s'' would take rows that move for deleted: %s.', t.tgname, n.nspname, c.relname,
            CASE WHEN t.tgname <> {log} THEN 'disable it for the time of the move' WHEN right(f.proname::text, length({group})) = {group} THEN 'abort the repartitioning first' ELSE 'finish the conversion first' END) AS text
        FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
        WHERE t.tgrelid IN ({from}) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 8 <> 0
        UNION ALL
        SELECT '{dependent}', format('Foreign key ''%s'' of ''%s.%s'' refers to its rows, and would act as if they were deleted.', f.conname, n.nspname, r.relname)
        FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class r ON r.oid = f.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
        WHERE f.contype = 'f' AND f.conparentid = 0 AND (f.confrelid = {parent} OR f.confrelid IN ({from}))
        UNION ALL
        SELECT '{unsupported}', format('Rule ''%s'' of ''%s.%s'' is about deleted rows.', w.rulename, n.nspname, c.relname)
        FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE w.ev_class IN ({from}) AND w.ev_type = '4' AND w.ev_enabled <> 'D'
        """;

    private const string Partitions =
        """
        SELECT '{unsupported}', format('Its partition ''%s.%s'' is %s.', n.nspname, c.relname, CASE c.relkind WHEN 'p' THEN 'partitioned itself: detach and undo that one first' ELSE 'no plain table' END)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid IN ({from}) AND c.relkind <> 'r'
        UNION ALL
        SELECT '{unsupported}', format('The detach of ''%s.%s'' is under way: finish it first.', n.nspname, c.relname)
        FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE i.inhparent = {parent} AND i.inhrelid IN ({from}) AND i.inhdetachpending
        UNION ALL
        SELECT '{unsupported}', format('It is a partition of ''%s.%s'', which would refuse the rows of its range then: detach it first.', n.nspname, c.relname)
        FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhparent JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE i.inhrelid = {parent}
        """;

    // A type that differs would round or cut values on the way, and a column that one of both computes would lose them.
    private const string Target =
        """
        SELECT '{target}', format('''%s'' is %s.', {named}, CASE WHEN c.oid IS NULL THEN 'no table' WHEN c.relkind <> 'r' THEN 'no plain table' WHEN c.relispartition THEN 'a partition' WHEN c.relpersistence <> 'p'
            THEN 'temporary or unlogged' ELSE 'not owned by role ''' || current_user || ''', whose rights its defaults would run with' END)
        FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_class c ON c.oid = {to}
        WHERE (c.relkind = 'r' AND NOT c.relispartition AND c.relpersistence = 'p' AND pg_catalog.pg_has_role(c.relowner, 'USAGE')) IS NOT TRUE
        UNION ALL
        SELECT '{target}', format('Trigger ''%s'' of ''%s'' would take rows that move for new ones: disable it for the time of the move.', t.tgname, {named})
        FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {to} AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 4 <> 0
        UNION ALL
        SELECT '{target}', format('Rule ''%s'' of ''%s'' is about new rows.', w.rulename, {named}) FROM pg_catalog.pg_rewrite w WHERE w.ev_class = {to} AND w.ev_type = '3' AND w.ev_enabled <> 'D'
        UNION ALL
        SELECT '{target}', format('Column ''%s'' of type ''%s''%s is %s in ''%s''.', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), CASE a.attgenerated WHEN '' THEN '' ELSE ', computed,' END,
            CASE WHEN b.attname IS NULL THEN 'missing' ELSE format('of type ''%s''%s', pg_catalog.format_type(b.atttypid, b.atttypmod), CASE b.attgenerated WHEN '' THEN '' ELSE ', computed,' END) END, {named})
        FROM pg_catalog.pg_attribute a
        LEFT JOIN pg_catalog.pg_attribute b ON b.attrelid = {to} AND b.attname = a.attname AND b.attnum > 0 AND NOT b.attisdropped
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = b.attrelid AND e.adnum = b.attnum
        WHERE a.attrelid = {parent} AND a.attnum > 0 AND NOT a.attisdropped AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = {to}) AND NOT (
            b.attname IS NOT NULL AND a.atttypid = b.atttypid AND a.atttypmod = b.atttypmod AND (a.attgenerated = '') = (b.attgenerated = '')
            AND (a.attgenerated = '' OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) = pg_catalog.pg_get_expr(e.adbin, e.adrelid)))
        """;

    /// <summary>The query for what keeps rows from leaving a partition of a set: reason and text, no row where nothing does.</summary>
    public static string WhyNotOut(uint parent, uint partition) => Filled(Leaving, parent, Number(partition), 0, null);

    /// <summary>The query for what keeps the rows of a set from moving into a table.</summary>
    /// <param name="parent">The set.</param>
    /// <param name="partition">The one partition; 0 for all.</param>
    /// <param name="target">The table; 0 for none.</param>
    /// <param name="named">How it is called.</param>
    public static string WhyNotInto(uint parent, uint partition, uint target, QualifiedName named) => Filled(
        $"{Leaving}\nUNION ALL\n{Partitions}\nUNION ALL\n{Target}", parent,
        partition != 0 ? Number(partition) : $"SELECT h.inhrelid FROM pg_catalog.pg_inherits h WHERE h.inhparent = {Number(parent)}", target, named);

    /// <summary>The question whether a set has the columns still whose values move: those of one that is new, or computed no more, would stay behind.</summary>
    public static string HasColumns(uint parent, IEnumerable<string> columns) =>
        $"ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = {Number(parent)} AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum)"
        + $" = ARRAY[{string.Join(", ", columns.Select(c => PgLiteral.Quote(c)))}]::pg_catalog.text[]";

    private static string Filled(string query, uint parent, string from, uint target, QualifiedName? named) => query
        .Replace("{unsupported}", nameof(InvalidDefinitionReason.Unsupported), StringComparison.Ordinal).Replace("{dependent}", nameof(InvalidDefinitionReason.Dependent), StringComparison.Ordinal)
        .Replace("{log}", PgLiteral.Quote(LogTrigger), StringComparison.Ordinal).Replace("{group}", PgLiteral.Quote(GroupLogEnd), StringComparison.Ordinal).Replace("{target}", nameof(InvalidDefinitionReason.Target), StringComparison.Ordinal).Replace("{parent}", Number(parent), StringComparison.Ordinal)
        .Replace("{from}", from, StringComparison.Ordinal).Replace("{to}", Number(target), StringComparison.Ordinal)
        .Replace("{named}", PgLiteral.Quote(named?.ToString() ?? ""), StringComparison.Ordinal);

    private static string Number(uint oid) => oid.ToString(CultureInfo.InvariantCulture);
}
