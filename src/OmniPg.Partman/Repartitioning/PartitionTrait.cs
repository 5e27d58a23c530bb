using System.Globalization;
using Npgsql;

namespace OmniPg.Partman;

/// <summary>Something that a partition has beyond its set and template, and that one in its place would lack.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Name">Its name, as messages have it.</param>
/// <param name="What">What it is, as a sentence begins; a whole sentence where it cannot go on.</param>
/// <param name="Fate">What becomes of it.</param>
/// <param name="Head">The statement that gives it to another table, up to the table's name.</param>
/// <param name="Tail">The rest of that statement.</param>
internal sealed record PartitionTrait(uint Partition, string Name, string What, PartitionTrait.Way Fate, string Head, string Tail)
{
    /// <summary>What becomes of a trait with the partition that has it.</summary>
    internal enum Way
    {
        /// <summary>It cannot go on: the partition stays.</summary>
        Refuse,

        /// <summary>Those in its place are made with it.</summary>
        Make,

        /// <summary>Those in its place get it behind what they take over from the set.</summary>
        Give,

        /// <summary>It goes: it says something of the rows of this partition, and can be made anew.</summary>
        Drop,
    }

    // One row for each: partition, its name, what it is, its way, the statement around the table's name. The triggers of a log and the names of
    // this package's checks are nobody's own, nor is the number that later minors of 15 to 17 keep among the options of columns (pg_attver); what a template
    // gives is left out by its statement.
    private const string Query =
        """
        WITH p AS MATERIALIZED (
            SELECT c.oid, format('%s.%s', n.nspname, c.relname) AS name, c.relkind, c.relowner, c.relacl, c.reloptions, c.relpersistence, c.reltablespace, c.relam, c.relreplident, c.relrowsecurity, c.reltoastrelid,
                s.oid AS parent, s.relowner AS parentowner, s.relacl AS parentacl, s.relreplident AS parentident, s.reltablespace AS parentspace
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_class s ON s.oid = {set} WHERE c.oid = ANY ({partitions})),
        a AS MATERIALIZED (
            SELECT p.oid, p.name, a.attnum, a.attname, a.attstattarget, a.attoptions, a.attstorage, a.attcompression, a.attnotnull, a.attacl, b.attnum AS parentnum, COALESCE(b.attstattarget, -1) AS parenttarget,
                b.attstorage AS parentstorage, b.attcompression AS parentcompression, b.attnotnull AS parentnotnull, a.attgenerated <> '' AS isgenerated,
                pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS expr, pg_catalog.pg_get_expr(e.adbin, e.adrelid) AS parentexpr, format('ALTER TABLE ') AS head, format(' ALTER COLUMN %I ', a.attname) AS of
            FROM p JOIN pg_catalog.pg_attribute a ON a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_catalog.pg_attribute b ON b.attrelid = p.parent AND b.attname = a.attname AND NOT b.attisdropped
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = b.attrelid AND e.adnum = b.attnum)
        SELECT p.oid, p.name, format('Trigger ''%s'' stands on its partition ''%s'' alone.', t.name, p.name) AS what, 'Refuse' AS way, t.head, t.tail
        FROM p JOIN ({triggers}) AS t ON t.relid = p.oid WHERE t.name <> ALL ({log})
        UNION ALL SELECT p.oid, p.name, format('Policy ''%s'' stands on its partition ''%s'' alone.', l.name, p.name), 'Refuse', l.head, l.tail FROM p JOIN ({policies}) AS l ON l.relid = p.oid
        UNION ALL SELECT p.oid, p.name, format('Row security is on for its partition ''%s'' alone.', p.name), 'Refuse', 'ALTER TABLE ', ' ENABLE ROW LEVEL SECURITY' FROM p WHERE p.relrowsecurity
        UNION ALL SELECT p.oid, p.name, format('Rule ''%s'' stands on its partition ''%s'' alone.', w.rulename, p.name), 'Refuse', '', '' FROM p JOIN pg_catalog.pg_rewrite w ON w.ev_class = p.oid
        UNION ALL SELECT p.oid, p.name, format('Publication ''%s'' lists its partition ''%s''.', b.pubname, p.name), 'Refuse', '', ''
        FROM p JOIN pg_catalog.pg_publication_rel r ON r.prrelid = p.oid JOIN pg_catalog.pg_publication b ON b.oid = r.prpubid
        UNION ALL SELECT DISTINCT p.oid, p.name, format('''%s'' holds on to its partition ''%s'' alone.', pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0), p.name), 'Refuse', '', ''
        FROM p JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = p.oid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.ev_class <> p.oid
        UNION ALL SELECT p.oid, p.name, format('Foreign key ''%s'' of ''%s'' refers to its partition ''%s'' alone.', f.conname, f.conrelid::pg_catalog.regclass, p.name), 'Refuse', '', ''
        FROM p JOIN pg_catalog.pg_constraint f ON f.confrelid = p.oid WHERE f.contype = 'f' AND f.conparentid = 0
        UNION ALL SELECT p.oid, p.name, format('Foreign key ''%s'' stands on its partition ''%s'' alone.', f.conname, p.name), 'Refuse', '', ''
        FROM p JOIN pg_catalog.pg_constraint f ON f.conrelid = p.oid WHERE f.contype = 'f' AND f.conparentid = 0
        UNION ALL SELECT p.oid, p.name, format('Sequence ''%s'' belongs to its partition ''%s'' alone.', q.relname, p.name), 'Refuse', '', ''
        FROM p JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = p.oid AND d.deptype IN ('a', 'i') AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        JOIN pg_catalog.pg_class q ON q.oid = d.objid AND q.relkind = 'S'
        UNION ALL SELECT p.oid, p.name, format('Statistics object ''%s'' stands on its partition ''%s'' alone.', x.stxname, p.name), 'Refuse',
            substr(d.def, d.skip + 1, length(d.def) - d.skip - length(d.rest)) || ' FROM ', ''
        FROM p JOIN pg_catalog.pg_statistic_ext x ON x.stxrelid = p.oid JOIN pg_catalog.pg_namespace n ON n.oid = x.stxnamespace,
            LATERAL (SELECT pg_catalog.pg_get_statisticsobjdef(x.oid), length(format('CREATE STATISTICS %I.%I', n.nspname, x.stxname)), format(' FROM %s', x.stxrelid::pg_catalog.regclass)) AS d (def, skip, rest)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext y WHERE y.stxrelid = p.parent AND y.stxkind = x.stxkind
            AND pg_catalog.pg_get_statisticsobjdef_columns(y.oid) = pg_catalog.pg_get_statisticsobjdef_columns(x.oid))
        UNION ALL SELECT p.oid, p.name, format('Security label ''%s'' stands on its partition ''%s'' alone.', l.label, p.name), 'Refuse', '', ''
        FROM p JOIN pg_catalog.pg_seclabel l ON l.objoid = p.oid AND l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
        UNION ALL SELECT p.oid, p.name, format('Its partition ''%s'' belongs to role ''%s'' alone.', p.name, pg_catalog.pg_get_userbyid(p.relowner)), 'Refuse', '', '' FROM p WHERE p.relowner <> p.parentowner
        UNION ALL SELECT p.oid, p.name, format('Its partition ''%s'' is %s.', p.name, CASE WHEN p.relkind = 'f' THEN 'a foreign table' WHEN p.relpersistence = 'u' THEN 'unlogged, and those in its place would not be' ELSE 'logged, and its template is not' END), 'Refuse', '', ''
        FROM p WHERE p.relkind = 'f' OR (p.relpersistence = 'u') <> {unlogged}
        UNION ALL SELECT p.oid, p.name, format('Check ''%s'' stands on its partition ''%s'' alone, and is not validated.', k.conname, p.name), 'Refuse', '', ''
        FROM p JOIN pg_catalog.pg_constraint k ON k.conrelid = p.oid WHERE k.contype = 'c' AND k.coninhcount = 0 AND NOT k.convalidated AND NOT {ours}
        UNION ALL SELECT p.oid, p.name, format('Check ''%s''', k.conname), CASE WHEN starts_with(k.conname::text, {cold}) THEN 'Drop' ELSE 'Make' END, 'ALTER TABLE ', format(' ADD CONSTRAINT %I %s', k.conname, pg_catalog.pg_get_constraintdef(k.oid))
        FROM p JOIN pg_catalog.pg_constraint k ON k.conrelid = p.oid WHERE k.contype = 'c' AND k.coninhcount = 0 AND k.convalidated AND NOT {ours}
        UNION ALL SELECT p.oid, p.name, CASE WHEN u.isunique THEN format('Unique index ''%s'' stands on its partition ''%s'' alone.', x.relname, p.name) WHEN NOT i.indisvalid THEN format('Index ''%s'' of its partition ''%s'' is not valid.', x.relname, p.name)
            ELSE format('Index ''%s''', x.relname) END, CASE WHEN u.isunique OR NOT i.indisvalid THEN 'Refuse' ELSE 'Make' END,
            CASE WHEN i.indisprimary OR i.indisexclusion THEN 'ALTER TABLE ' ELSE format('CREATE %sINDEX ON ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END) END,
            CASE WHEN i.indisprimary THEN format(' ADD PRIMARY KEY (%s)%s', (SELECT string_agg(quote_ident(b.attname), ', ' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                JOIN pg_catalog.pg_attribute b ON b.attrelid = i.indrelid AND b.attnum = k.attnum), COALESCE(' USING INDEX TABLESPACE ' || quote_ident(ts.spcname), ''))
            WHEN i.indisexclusion THEN ' ADD ' || (SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype = 'x')
            ELSE ' USING ' || substr(f.def, length(format('CREATE %sINDEX %I ON %I.%I USING ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname, n.nspname, c.relname)) + 1) END
        FROM p JOIN pg_catalog.pg_index i ON i.indrelid = p.oid JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid AND NOT x.relispartition JOIN pg_catalog.pg_class c ON c.oid = p.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = x.reltablespace, LATERAL (SELECT pg_catalog.pg_get_indexdef(i.indexrelid)) AS f (def), LATERAL (SELECT i.indisunique OR i.indisexclusion) AS u (isunique)
        UNION ALL SELECT p.oid, p.name, format('Storage parameter ''%s''', o.o), 'Make', 'ALTER TABLE ', format(' SET (%s)', o.o)
        FROM p LEFT JOIN pg_catalog.pg_class t ON t.oid = p.reltoastrelid, LATERAL (SELECT unnest(p.reloptions) UNION ALL SELECT 'toast.' || unnest(t.reloptions)) AS o (o)
        UNION ALL SELECT p.oid, p.name, format('Tablespace ''%s''', s.name), 'Make', 'ALTER TABLE ', format(' SET TABLESPACE %I', s.name)
        FROM p, LATERAL (SELECT t.spcname FROM pg_catalog.pg_tablespace t WHERE t.oid = COALESCE(NULLIF(p.reltablespace, 0), (SELECT d.dattablespace FROM pg_catalog.pg_database d WHERE d.datname = current_database()))) AS s (name)
        WHERE p.reltablespace <> p.parentspace
        UNION ALL SELECT p.oid, p.name, format('Access method ''%s''', m.amname), 'Make', 'ALTER TABLE ', format(' SET ACCESS METHOD %I', m.amname)
        FROM p JOIN pg_catalog.pg_am m ON m.oid = p.relam WHERE m.amname <> current_setting('default_table_access_method')
        UNION ALL SELECT p.oid, p.name, 'Its comment', 'Make', 'COMMENT ON TABLE ', ' IS ' || quote_literal(d.description)
        FROM p JOIN pg_catalog.pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0
        UNION ALL SELECT a.oid, a.name, format('The comment of column ''%s''', a.attname), 'Make', 'COMMENT ON COLUMN ', format('.%I IS %L', a.attname, d.description)
        FROM a JOIN p ON p.oid = a.oid JOIN pg_catalog.pg_description d ON d.objoid = a.oid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = a.attnum
        WHERE d.description IS DISTINCT FROM pg_catalog.col_description(p.parent, a.parentnum)
        UNION ALL SELECT a.oid, a.name, format('Statistics target ''%s'' of column ''%s''', a.attstattarget, a.attname), 'Give', a.head, a.of || 'SET STATISTICS ' || a.attstattarget FROM a WHERE a.attstattarget >= 0 AND a.attstattarget <> a.parenttarget
        UNION ALL SELECT a.oid, a.name, format('Option ''%s'' of column ''%s''', o.o, a.attname), 'Make', a.head, a.of || format('SET (%s)', o.o) FROM a, unnest(a.attoptions) AS o (o) WHERE NOT starts_with(o.o, 'pg_attver=')
        UNION ALL SELECT a.oid, a.name, format('Storage of column ''%s''', a.attname), 'Make', a.head, a.of || 'SET STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END
        FROM a WHERE a.attstorage <> a.parentstorage
        UNION ALL SELECT a.oid, a.name, format('Compression of column ''%s''', a.attname), 'Make', a.head, a.of || 'SET COMPRESSION ' || CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'default' END
        FROM a WHERE a.attcompression <> a.parentcompression
        UNION ALL SELECT a.oid, a.name, format('The default of column ''%s''', a.attname), 'Make', a.head, a.of || COALESCE('SET DEFAULT ' || a.expr, 'DROP DEFAULT') FROM a WHERE NOT a.isgenerated AND a.expr IS DISTINCT FROM a.parentexpr
        UNION ALL SELECT a.oid, a.name, format('NOT NULL of column ''%s''', a.attname), 'Make', a.head, a.of || 'SET NOT NULL' FROM a WHERE a.attnotnull AND NOT a.parentnotnull
        UNION ALL SELECT p.oid, p.name, 'Its replica identity', CASE WHEN p.relreplident = 'i' THEN 'Refuse' ELSE 'Give' END, 'ALTER TABLE ', ' REPLICA IDENTITY ' || CASE p.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE 'DEFAULT' END
        FROM p WHERE p.relreplident <> p.parentident
        UNION ALL SELECT p.oid, p.name, format('Right %s of %s', x.privilege_type, g.g), 'Give', format('GRANT %s ON ', x.privilege_type), format(' TO %s%s', g.g, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM p, pg_catalog.aclexplode(p.relacl) x, LATERAL (SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END) AS g (g)
        WHERE x.grantee <> p.relowner AND NOT ({inherits} AND EXISTS (SELECT FROM pg_catalog.aclexplode(p.parentacl) y WHERE (y.grantee, y.privilege_type, y.is_grantable) = (x.grantee, x.privilege_type, x.is_grantable)))
        UNION ALL SELECT a.oid, a.name, format('Right %s of %s on column ''%s''', x.privilege_type, g.g, a.attname), 'Give', format('GRANT %s (%I) ON ', x.privilege_type, a.attname), format(' TO %s%s', g.g, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM a, pg_catalog.aclexplode(a.attacl) x, LATERAL (SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END) AS g (g)
        """;

    // The check of an epoch is made anew with the bounds of the new partition.
    private const string Ours = "(starts_with(k.conname::text, 'omnipg_') OR ({epoch} AND right(k.conname::text, 16) = '_partition_check'))";

    /// <summary>Reads what partitions have of their own, without what the template of the set gives to new ones.</summary>
    public static async Task<IReadOnlyList<PartitionTrait>> ReadAsync(PgSession session, SetState state, ParentShape shape, IEnumerable<Partition> partitions)
    {
        var given = shape.TemplateIndexes.Concat(shape.StorageParameters.Select(p => $"ALTER TABLE %s SET ({p})")).Concat(shape.TemplateObjects.Select(o => $"{o.Head}%s{o.Tail}")).ToHashSet(StringComparer.Ordinal);
        var traits = await session.RowsAsync(Of(state, shape, partitions), Read).ConfigureAwait(false);
        return [.. traits.Where(t => !given.Contains($"{t.Head}%s{t.Tail}"))];
    }

    /// <summary>The question for a digest of what partitions have of their own.</summary>
    public static string DigestOf(SetState state, ParentShape shape, IEnumerable<Partition> partitions) =>
        $"SELECT COALESCE(pg_catalog.md5(string_agg(t.t, E'\\n' ORDER BY t.t)), '') FROM (SELECT concat_ws(E'\\t', x.oid, x.what, x.way, x.head, x.tail) FROM ({Of(state, shape, partitions)}) AS x) AS t (t)";

    private static string Of(SetState state, ParentShape shape, IEnumerable<Partition> partitions) => Query
        .Replace("{triggers}", TemplateObject.Triggers, StringComparison.Ordinal).Replace("{policies}", TemplateObject.Policies, StringComparison.Ordinal).Replace("{ours}", Ours, StringComparison.Ordinal)
        .Replace("{epoch}", Flag(state.Key.UnitsPerSecond != 0), StringComparison.Ordinal)
        .Replace("{set}", state.Oid.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{partitions}", $"ARRAY[{string.Join(", ", partitions.Select(p => p.Oid.ToString(CultureInfo.InvariantCulture)))}]::pg_catalog.oid[]", StringComparison.Ordinal)
        .Replace("{log}", $"ARRAY[{string.Join(", ", ConversionNames.LogTriggers.Select(PgLiteral.Quote))}]", StringComparison.Ordinal)
        .Replace("{cold}", PgLiteral.Quote(ColdConstraints.NamePrefix), StringComparison.Ordinal)
        .Replace("{unlogged}", Flag(shape.IsUnlogged), StringComparison.Ordinal)
        .Replace("{inherits}", Flag(state.Set.InheritPrivileges), StringComparison.Ordinal);

    private static string Flag(bool value) => value ? "true" : "false";

    /// <summary>Whether it says where the rows lie and in files of what kind, or, where that is asked for, how values are compressed.</summary>
    public bool IsOfTier(bool withCompression) => What.StartsWith("Tablespace '", StringComparison.Ordinal) || What.StartsWith("Access method '", StringComparison.Ordinal)
        || (withCompression && What.StartsWith("Compression of column '", StringComparison.Ordinal));

    /// <summary>The statement that gives it to another table.</summary>
    public string On(QualifiedName table) => Head + table.Quoted + Tail;

    private static PartitionTrait Read(NpgsqlDataReader row) => new(
        row.GetFieldValue<uint>(0), row.GetString(1), row.GetString(2), Enum.Parse<Way>(row.GetString(3)), row.GetString(4), row.GetString(5));
}
