using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>A table as the catalog tells it: what another one needs to take its place, and what keeps one from taking it.</summary>
internal sealed record LiveTable
{
    // $1 the table. A view, a function with a body of its own, a foreign key of another table and the like hold on to the table itself, whatever its name.
    private const string Look =
        """
        SELECT n.nspname::text, c.relname::text, pg_catalog.pg_get_userbyid(c.relowner)::text, current_user::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'),
            c.relkind::text, c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid), c.relpersistence::text, c.reltuples::bigint,
            pg_catalog.obj_description(c.oid, 'pg_class'), c.relrowsecurity, c.relforcerowsecurity, COALESCE(c.reloptions, '{}'),
            ARRAY(SELECT quote_ident(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum),
            ARRAY(SELECT quote_ident(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
            ARRAY({dependents}),
            ARRAY(SELECT format('CREATE POLICY %I ON %%s AS %s FOR %s TO %s%s%s', p.polname, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                      CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                      (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) AS r),
                      COALESCE(' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ''), COALESCE(' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''))
                  FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid ORDER BY p.polname),
            ARRAY(SELECT format('GRANT %s (%I) ON %%s TO %s%s', x.privilege_type, a.attname,
                      CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
                  FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
            ({fingerprint}), EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid),
            ARRAY(SELECT quote_ident(a.attname) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (y.typsend = 0 OR y.typtype NOT IN ('b', 'd', 'e') OR y.typcategory IN ('A', 'C', 'P', 'R')) ORDER BY a.attnum)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1
        """;

    private const string Dependents =
        """
        SELECT DISTINCT CASE WHEN w.ev_class IS NULL THEN pg_catalog.pg_describe_object(d.classid, d.objid, 0) ELSE pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0) END
        FROM pg_catalog.pg_depend d
        LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = d.objid AND w.rulename = '_RETURN'
        LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid
        LEFT JOIN pg_catalog.pg_policy p ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND p.oid = d.objid
        LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND t.oid = d.objid
        WHERE (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = {oid}
               OR d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (
                   SELECT y.oid FROM pg_catalog.pg_type y WHERE y.typrelid = {oid} OR y.typelem IN (SELECT r.oid FROM pg_catalog.pg_type r WHERE r.typrelid = {oid})))
            AND d.deptype IN ('n', 'a') AND d.objid <> {oid}
            AND k.conrelid IS DISTINCT FROM {oid} AND p.polrelid IS DISTINCT FROM {oid} AND t.tgrelid IS DISTINCT FROM {oid}
            AND d.classid NOT IN ('pg_catalog.pg_attrdef'::pg_catalog.regclass, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)
            AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND (SELECT r.relkind FROM pg_catalog.pg_class r WHERE r.oid = d.objid) IN ('i', 'I', 'S'))
            AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = d.objid AND h.inhparent = {oid}))
        """;

    // What a conversion took over at its start and would miss where it changes. Its own objects are left out.
    private const string Fingerprint =
        """
        SELECT pg_catalog.md5(string_agg(x.t, E'\n' ORDER BY x.t)) FROM (
            SELECT concat_ws(' ', 'c', a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation,
                pg_catalog.pg_get_expr(f.adbin, f.adrelid), a.attacl)
            FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
            WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL SELECT concat_ws(' ', 'k', k.conname, pg_catalog.pg_get_constraintdef(k.oid)) FROM pg_catalog.pg_constraint k
            WHERE k.conrelid = {oid} AND k.conname <> {check}
            UNION ALL SELECT concat_ws(' ', 'i', pg_catalog.pg_get_indexdef(i.indexrelid), i.indisvalid) FROM pg_catalog.pg_index i
            WHERE i.indrelid = {oid} AND NOT EXISTS (SELECT FROM pg_catalog.pg_class x WHERE x.oid = i.indexrelid AND pg_catalog.right(x.relname::text, length({key})) = {key})
            UNION ALL SELECT concat_ws(' ', 't', pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_catalog.pg_trigger t
            WHERE t.tgrelid = {oid} AND NOT t.tgisinternal AND t.tgname NOT IN ({own})
            UNION ALL SELECT concat_ws(' ', 'p', p.polname, p.polcmd, p.polpermissive, p.polroles, pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
            FROM pg_catalog.pg_policy p WHERE p.polrelid = {oid}
            UNION ALL SELECT concat_ws(' ', 'r', r.relname, r.relnamespace, r.relowner, r.relacl, r.relrowsecurity, r.relforcerowsecurity, r.relreplident, r.relpersistence)
            FROM pg_catalog.pg_class r WHERE r.oid = {oid}
            UNION ALL {dependents}) AS x (t)
        """;

    private const string OfIndexes =
        """
        SELECT x.relname::text, i.indisunique, i.indisprimary, k.contype::text, pg_catalog.pg_get_constraintdef(k.oid),
            ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u (attnum, place) LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
                  WHERE u.place <= i.indnkeyatts ORDER BY u.place),
            i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS (
                SELECT FROM unnest(i.indkey::int2[]) AS u (attnum) JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum WHERE NOT a.attnotnull)
                AND NOT EXISTS (SELECT FROM unnest(i.indclass::oid[]) AS o (oid) JOIN pg_catalog.pg_opclass p ON p.oid = o.oid
                                WHERE p.opcnamespace <> 'pg_catalog'::pg_catalog.regnamespace OR NOT p.opcdefault),
            i.indisvalid, i.indnatts > i.indnkeyatts,
            substr(d.text, length(format('CREATE %sINDEX %I ON %I.%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname, n.nspname, c.relname)) + 1)
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
        JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'),
            LATERAL (SELECT pg_catalog.pg_get_indexdef(i.indexrelid)) AS d (text)
        WHERE i.indrelid = $1 ORDER BY i.indisprimary DESC, x.relname
        """;

    // Those of partitions are the parents' own.
    private const string OfTriggers =
        """
        SELECT t.tgname::text, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled::text, (t.tgtype & 1) = 1 AND (t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL)
        FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1 AND NOT t.tgisinternal ORDER BY t.tgname
        """;

    private const string OfForeignKeys =
        """
        SELECT k.conname::text, pg_catalog.pg_get_constraintdef(k.oid), n.nspname::text, r.relname::text, k.convalidated, k.confrelid = k.conrelid
        FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
        WHERE k.conrelid = $1 AND k.contype = 'f' AND k.conparentid = 0 ORDER BY k.conname
        """;

    private const string OfSequences =
        """
        SELECT a.attname::text, n.nspname::text, s.relname::text, d.deptype = 'i'
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1 AND d.deptype IN ('a', 'i') ORDER BY a.attnum
        """;

    /// <summary>An index.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="IsUnique">Whether it is unique.</param>
    /// <param name="IsPrimary">Whether it is that of the primary key.</param>
    /// <param name="Constraint">p, u or x as in <c>pg_constraint.contype</c>; null for a mere index.</param>
    /// <param name="Definition">The constraint's definition.</param>
    /// <param name="Columns">Its key columns; null for an expression.</param>
    /// <param name="IsKey">Whether it tells every row from every other, in the order of the server's own operators.</param>
    /// <param name="IsValid">Whether it is whole.</param>
    /// <param name="HasMore">Whether it includes columns beside its key.</param>
    /// <param name="Tail">What follows the table's name in its definition.</param>
    internal sealed record Index(
        string Name, bool IsUnique, bool IsPrimary, string? Constraint, string? Definition, string?[] Columns, bool IsKey, bool IsValid, bool HasMore, string Tail);

    internal sealed record Trigger(PgIdentifier Name, string Definition, string Enabled, bool HasTransitionTables);

    internal sealed record ForeignKey(PgIdentifier Name, string Definition, QualifiedName Referenced, bool IsValid, bool IsToItself);

    internal sealed record Sequence(PgIdentifier Column, QualifiedName Name, bool IsIdentity);

    public required uint Oid { get; init; }

    public required QualifiedName Name { get; init; }

    public required string Owner { get; init; }

    public required string Role { get; init; }

    public required bool IsOwned { get; init; }

    public required string Kind { get; init; }

    public required bool IsChild { get; init; }

    /// <summary>Whether it has partitions, or tables inherit from it.</summary>
    public required bool HasChildren { get; init; }

    public required string Persistence { get; init; }

    public required long EstimatedRows { get; init; }

    public string? Comment { get; init; }

    public required bool HasRowSecurity { get; init; }

    public required bool ForcesRowSecurity { get; init; }

    public required IReadOnlyList<string> StorageParameters { get; init; }

    /// <summary>Columns that take values, quoted.</summary>
    public required IReadOnlyList<string> Columns { get; init; }

    /// <summary>The generated ones as well.</summary>
    public required IReadOnlyList<string> AllColumns { get; init; }

    /// <summary>Those of types that the server may have no binary form of, on whatever level.</summary>
    public required IReadOnlyList<string> TextColumns { get; init; }

    /// <summary>What holds on to the table itself, as the server describes it.</summary>
    public required IReadOnlyList<string> DependentObjects { get; init; }

    /// <summary>Statements with <c>%s</c> for the table.</summary>
    public required IReadOnlyList<string> Policies { get; init; }

    /// <summary>Statements with <c>%s</c> for the table.</summary>
    public required IReadOnlyList<string> ColumnGrants { get; init; }

    /// <summary>Digest of all that a table in its place would have to have.</summary>
    public required string Digest { get; init; }

    public required IReadOnlyList<Index> Indexes { get; init; }

    /// <summary>Without those of a conversion.</summary>
    public required IReadOnlyList<Trigger> Triggers { get; init; }

    /// <summary>The trigger that has the name of one of a conversion's; null for none.</summary>
    public Trigger? LogTrigger { get; init; }

    public required IReadOnlyList<ForeignKey> ForeignKeys { get; init; }

    public required IReadOnlyList<Sequence> Sequences { get; init; }

    /// <summary>The primary key, or what does as one; null for none.</summary>
    public Index? Key => Indexes.FirstOrDefault(i => i.IsPrimary && i.IsKey) ?? Indexes.FirstOrDefault(i => i.IsUnique && i.IsKey);

    /// <summary>The question for the digest of a table, as SQL.</summary>
    public static string DigestOf(uint oid) => WithOid(Fingerprint, oid.ToString(System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>Reads a table; null when it is gone.</summary>
    public static async Task<LiveTable?> ReadAsync(PgSession session, uint oid)
    {
        NpgsqlParameter Table() => PgParameter.Of(oid, NpgsqlDbType.Oid);
        var indexes = await session.RowsAsync(OfIndexes, row => new Index(
            row.GetString(0), row.GetBoolean(1), row.GetBoolean(2), row.Text(3), row.Text(4), row.GetFieldValue<string?[]>(5), row.GetBoolean(6), row.GetBoolean(7), row.GetBoolean(8), row.GetString(9)),
            Table()).ConfigureAwait(false);
        var triggers = await session.RowsAsync(OfTriggers, row => new Trigger(PgIdentifier.Create(row.GetString(0)), row.GetString(1), row.GetString(2), row.GetBoolean(3)), Table()).ConfigureAwait(false);
        var keys = await session.RowsAsync(
            OfForeignKeys, row => new ForeignKey(PgIdentifier.Create(row.GetString(0)), row.GetString(1), QualifiedName.Create(row.GetString(2), row.GetString(3)), row.GetBoolean(4), row.GetBoolean(5)), Table()).ConfigureAwait(false);
        var sequences = await session.RowsAsync(
            OfSequences, row => new Sequence(PgIdentifier.Create(row.GetString(0)), QualifiedName.Create(row.GetString(1), row.GetString(2)), row.GetBoolean(3)), Table()).ConfigureAwait(false);
        return await session.RowAsync(WithOid(Look.Replace("{fingerprint}", Fingerprint, StringComparison.Ordinal), "$1"), row => new LiveTable
        {
            Oid = oid,
            Name = QualifiedName.Create(row.GetString(0), row.GetString(1)),
            Owner = row.GetString(2),
            Role = row.GetString(3),
            IsOwned = row.GetBoolean(4),
            Kind = row.GetString(5),
            IsChild = row.GetBoolean(6),
            Persistence = row.GetString(7),
            EstimatedRows = row.GetInt64(8),
            Comment = row.Text(9),
            HasRowSecurity = row.GetBoolean(10),
            ForcesRowSecurity = row.GetBoolean(11),
            StorageParameters = row.GetFieldValue<string[]>(12),
            Columns = row.GetFieldValue<string[]>(13),
            AllColumns = row.GetFieldValue<string[]>(14),
            DependentObjects = row.GetFieldValue<string[]>(15),
            Policies = row.GetFieldValue<string[]>(16),
            ColumnGrants = row.GetFieldValue<string[]>(17),
            Digest = row.GetString(18),
            HasChildren = row.GetBoolean(19),
            TextColumns = row.GetFieldValue<string[]>(20),
            Indexes = indexes,
            Triggers = [.. triggers.Where(t => !ConversionNames.LogTriggers.Contains(t.Name.Value))],
            LogTrigger = triggers.FirstOrDefault(t => ConversionNames.LogTriggers.Contains(t.Name.Value)),
            ForeignKeys = keys,
            Sequences = sequences,
        }, Table()).ConfigureAwait(false);
    }

    /// <summary>
    /// The question for the files that a table's rows lie in, those of its partitions included, and since when these belong to it: another answer tells of a
    /// partition that was emptied, attached or taken away, if only for a while, which no trigger of the table sees, and of a rewrite.
    /// </summary>
    public static string FilesOf(uint oid) => WithOid(
        "SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', t.oid, pg_catalog.pg_relation_filenode(t.oid), ARRAY(SELECT h.xmin::text FROM pg_catalog.pg_inherits h WHERE h.inhrelid = t.oid)), ',' ORDER BY t.oid) "
            + "FROM (SELECT {oid}::pg_catalog.oid UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({oid}) AS p) AS t (oid)",
        oid.ToString(System.Globalization.CultureInfo.InvariantCulture));

    private static string WithOid(string query, string oid) => query.Replace("{dependents}", Dependents, StringComparison.Ordinal)
        .Replace("{check}", PgLiteral.Quote(ConversionNames.Check), StringComparison.Ordinal).Replace("{key}", PgLiteral.Quote(ConversionNames.KeyEnd), StringComparison.Ordinal)
        .Replace("{own}", string.Join(", ", ConversionNames.LogTriggers.Select(PgLiteral.Quote)), StringComparison.Ordinal).Replace("{oid}", oid, StringComparison.Ordinal);
}
