namespace OmniPg.Mimeo;

/// <summary>What a relation has besides rows and columns and loses when it is made anew: owner, grants, comments, storage options.</summary>
internal sealed class RelationDress
{
    // Kind (any, table, or column with its name) and statement. Grants of the owner to itself come with the creation.
    private const string Sql =
        """
        SELECT 'table', NULL::text, format('ALTER TABLE %I.%I SET (%s)', n.nspname, c.relname,
            (SELECT string_agg(format('%I = %L', o.option_name, o.option_value), ', ') FROM pg_catalog.pg_options_to_table(c.reloptions) o))
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1 AND c.reloptions IS NOT NULL AND c.relkind = 'r'
        UNION ALL
        SELECT 'any', NULL, format('COMMENT ON %s %I.%I IS %L', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, n.nspname, c.relname, d.description)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = c.oid
        WHERE c.oid = $1 AND d.objsubid = 0
        UNION ALL
        SELECT 'any', a.attname::text, format('COMMENT ON COLUMN %I.%I.%I IS %L', n.nspname, c.relname, a.attname, d.description)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = c.oid
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid WHERE c.oid = $1
        UNION ALL
        SELECT 'any', NULL, format('GRANT %s ON %I.%I TO %s%s', x.privilege_type, n.nspname, c.relname, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
            CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) x WHERE c.oid = $1 AND x.grantee <> c.relowner
        UNION ALL
        SELECT 'any', a.attname::text, format('GRANT %s (%I) ON %I.%I TO %s%s', x.privilege_type, a.attname, n.nspname, c.relname,
            CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
        CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) x WHERE c.oid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND x.grantee <> c.relowner
        UNION ALL
        SELECT 'any', NULL, format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner))
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1 AND c.relowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
        """;

    private readonly IReadOnlyList<(string Kind, string? Column, string Statement)> _parts;

    private RelationDress(IReadOnlyList<(string Kind, string? Column, string Statement)> parts) => _parts = parts;

    /// <summary>Reads it while the relation is there.</summary>
    public static async Task<RelationDress> ReadAsync(PgSession session, RelationInfo relation) => new(await session.RowsAsync(Sql,
        row => (row.GetString(0), row.Text(1), row.GetString(2)), PgParameter.Of(relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false));

    /// <summary>Gives it to the relation that has the name now; what belonged to a column that is gone goes with it.</summary>
    public async Task PutOnAsync(PgSession session, IReadOnlyList<string> columns, bool isTable)
    {
        foreach (var (kind, column, statement) in _parts)
        {
            if ((kind == "table" && !isTable) || (column is not null && !columns.Contains(column)))
                continue;
            var text = isTable && statement.StartsWith("COMMENT ON VIEW", StringComparison.Ordinal) ? "COMMENT ON TABLE" + statement["COMMENT ON VIEW".Length..] : statement;
            await PlainStatements.ExecuteAsync(session.Connection, [text], session.CommandTimeoutSeconds, session.CancellationToken).ConfigureAwait(false);
        }
    }
}
