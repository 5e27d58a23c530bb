namespace OmniPg.Partman;

/// <summary>What a template gives to a partition that is there, beside its indexes and parameters: a trigger, a policy, row security or a statistics object.</summary>
/// <param name="Head">The statement that makes it, up to the table's name.</param>
/// <param name="Tail">The rest of it.</param>
/// <param name="Named">The template's name of an object whose name must be another one for each table, and stands between <c>CREATE STATISTICS</c> and the head; null for others.</param>
/// <param name="IsTrigger">Whether it acts on rows.</param>
internal sealed record TemplateObject(string Head, string Tail, string? Named, bool IsTrigger)
{
    /// <summary>Triggers of tables, with the statements that make them around the table's name: columns <c>relid</c>, <c>name</c>, <c>head</c>, <c>tail</c>.</summary>
    public const string Triggers =
        """
        SELECT t.tgrelid AS relid, t.tgname::text AS name, substr(d.def, 1, d.skip + d.at - 1) || ' ON ' AS head, ' ' || substr(d.def, d.skip + d.at + length(d.part)) AS tail
        FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
            LATERAL (SELECT pg_catalog.pg_get_triggerdef(t.oid), format(' ON %I.%I ', n.nspname, c.relname), length(format('CREATE %sTRIGGER %I', CASE WHEN t.tgconstraint <> 0 THEN 'CONSTRAINT ' ELSE '' END, t.tgname))) AS x (def, part, skip),
            LATERAL (SELECT x.def, x.part, x.skip, strpos(substr(x.def, x.skip + 1), x.part)) AS d (def, part, skip, at)
        WHERE NOT t.tgisinternal AND t.tgparentid = 0
        """;

    /// <summary>Policies of tables, likewise.</summary>
    public const string Policies =
        """
        SELECT p.polrelid AS relid, p.polname::text AS name, format('CREATE POLICY %I ON ', p.polname) AS head,
            format(' AS %s FOR %s TO %s%s%s', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) AS r),
                COALESCE(' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ''), COALESCE(' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')) AS tail
        FROM pg_catalog.pg_policy p
        """;

    // $1 the template, $2 the set: what partitions of the set have through it is left out.
    private const string Look =
        $"""
         SELECT 1, t.name, t.head, t.tail, NULL, true FROM ({Triggers}) AS t WHERE t.relid = $1 AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger o WHERE o.tgrelid = $2 AND o.tgname = t.name)
         UNION ALL SELECT 2, t.tgname::text, 'ALTER TABLE ', format(' %s TRIGGER %I', CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname), NULL, true
         FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'O' AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger o WHERE o.tgrelid = $2 AND o.tgname = t.tgname)
         UNION ALL SELECT 3, p.name, p.head, p.tail, NULL, false FROM ({Policies}) AS p WHERE p.relid = $1
         UNION ALL SELECT 4, s.action, 'ALTER TABLE ', format(' %s ROW LEVEL SECURITY', s.action), NULL, false
         FROM pg_catalog.pg_class c, LATERAL (VALUES ('ENABLE', c.relrowsecurity), ('FORCE', c.relforcerowsecurity)) AS s (action, is_on) WHERE c.oid = $1 AND s.is_on
         UNION ALL SELECT 5, x.stxname::text, substr(d.def, d.skip + 1, length(d.def) - d.skip - length(d.rest)) || ' FROM ', '', x.stxname::text, false
         FROM pg_catalog.pg_statistic_ext x JOIN pg_catalog.pg_namespace n ON n.oid = x.stxnamespace,
             LATERAL (SELECT pg_catalog.pg_get_statisticsobjdef(x.oid), length(format('CREATE STATISTICS %I.%I', n.nspname, x.stxname)), format(' FROM %s', x.stxrelid::pg_catalog.regclass)) AS d (def, skip, rest)
         WHERE x.stxrelid = $1 AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext y WHERE y.stxrelid = $2 AND y.stxkind = x.stxkind
             AND pg_catalog.pg_get_statisticsobjdef_columns(y.oid) = pg_catalog.pg_get_statisticsobjdef_columns(x.oid))
         ORDER BY 1, 2
         """;

    /// <summary>Reads what a template gives beside its indexes and parameters.</summary>
    public static Task<IReadOnlyList<TemplateObject>> OfAsync(PgSession session, uint template, uint set) => session.RowsAsync(
        Look, row => new TemplateObject(row.GetString(2), row.GetString(3), row.Text(4), row.GetBoolean(5)),
        PgParameter.Of(template, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Of(set, NpgsqlTypes.NpgsqlDbType.Oid));

    /// <summary>The statement that makes it for a partition.</summary>
    public string On(QualifiedName table) => Named is null ? Head + table.Quoted + Tail
        : $"CREATE STATISTICS {new QualifiedName(table.Schema, PartitionName.Fit(table.Name.Value, "_" + Named)).Quoted}{Head}{table.Quoted}{Tail}";
}
