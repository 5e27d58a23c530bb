using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>What the role of a source lacks: to read the rows, and for what a method needs there besides.</summary>
internal sealed class SourceAccess(SourceSession source, ReplicationSpec spec, PgIdentifier schema)
{
    // What the table needs itself. $1 its number, $2 names of the columns that are copied, empty for all.
    private const string OfTable =
        """
        SELECT 1, format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1 AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        UNION ALL
        SELECT 2, format('GRANT SELECT%s ON %I.%I TO %I;', CASE WHEN cardinality($2) > 0 THEN ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')' END, n.nspname, c.relname, current_user)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.oid = $1 AND (cardinality($2) = 0 OR a.attname = ANY ($2)) AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
        GROUP BY n.nspname, c.relname
        UNION ALL
        SELECT 3, format('ALTER ROLE %I BYPASSRLS;', current_user) WHERE pg_catalog.row_security_active($1)
        ORDER BY 1
        """;

    // What a view over the condition depends on says which columns and functions it reads.
    private const string OfCondition =
        """
        WITH used AS (
            SELECT d.refclassid, d.refobjid AS oid, d.refobjsubid AS attnum FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
            WHERE r.ev_class = 'pg_temp.omnipg_access'::regclass AND d.refobjid <> r.ev_class)
        SELECT 1, format('GRANT SELECT%s ON %I.%I TO %I;', ' (' || string_agg(DISTINCT quote_ident(a.attname), ', ') || ')', n.nspname, c.relname, current_user)
        FROM used u JOIN pg_catalog.pg_class c ON c.oid = u.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum AND u.attnum <> 0
        WHERE u.refclassid = 'pg_catalog.pg_class'::regclass AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
            AND CASE WHEN a.attnum IS NULL THEN NOT pg_catalog.has_any_column_privilege(c.oid, 'SELECT') ELSE NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') END
            AND (c.oid <> $1 OR a.attname <> ALL ($2) AND cardinality($2) > 0)
        GROUP BY c.oid, n.nspname, c.relname
        UNION ALL
        SELECT 2, format('GRANT EXECUTE ON FUNCTION %s TO %I;', u.oid::pg_catalog.regprocedure, current_user)
        FROM used u WHERE u.refclassid = 'pg_catalog.pg_proc'::regclass AND NOT pg_catalog.has_function_privilege(u.oid, 'EXECUTE')
        UNION ALL
        SELECT DISTINCT 3, format('ALTER ROLE %I BYPASSRLS;', current_user) FROM used u WHERE u.refclassid = 'pg_catalog.pg_class'::regclass AND u.oid <> $1 AND pg_catalog.row_security_active(u.oid)
        ORDER BY 1
        """;

    /// <summary>Statements that give what is missing.</summary>
    public static async Task<IReadOnlyList<string>> MissingAsync(PgSession destination, MimeoStore store, SourcePools pools, ReplicationSpec spec)
    {
        SourceSession source;
        // A session that is there already does not tell whether the role may still connect.
        pools.Forget(spec.From);
        try
        {
            (_, source) = await SourceRegistry.OpenAsync(destination, store, pools, spec.From).ConfigureAwait(false);
        }
        // Nobody is let in to ask for the rest.
        catch (MimeoPermissionException error) when (error.Grant is { } grant)
        {
            return [grant];
        }
        await using var closing = source.ConfigureAwait(false);
        return await new SourceAccess(source, spec, store.Schema).MissingAsync(await TableSetup.OwnerAsync(destination, store, spec.Target).ConfigureAwait(false)).ConfigureAwait(false);
    }

    // The owner's text stands for the destination in the names of what will be made.
    private Task<IReadOnlyList<string>> MissingAsync(string owner) => source.AskAsync(spec.Source, async at =>
    {
        var relation = await RelationInfo.FindAsync(at, spec.Source).ConfigureAwait(false) ?? throw new SourceTableNotFoundException(spec.Source, source.Name);
        var columns = relation.Pick(spec.Columns, spec.Target);
        var (oid, chosen) = (PgParameter.Of(relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Texts(spec.Columns.Count + spec.Expressions.Count == 0 ? [] : columns.Select(c => c.Name.Value).Where(c => !spec.Expressions.ContainsKey(c))));
        var missing = (await at.RowsAsync(OfTable, row => row.GetString(1), oid, chosen).ConfigureAwait(false)).ToList();
        // Its names are not to be resolved without the right to use the schema.
        if ((spec.Condition is not null || spec.Expressions.Count > 0) && !missing.Any(s => s.StartsWith("GRANT USAGE", StringComparison.Ordinal)))
            missing.AddRange(await OfConditionAsync(at, oid.Clone(), chosen.Clone()).ConfigureAwait(false));
        if (spec.HasQueue)
            missing.AddRange(spec.Queue is { } queue ? await OfQueueAsync(at, queue).ConfigureAwait(false) : await SourceQueue.MissingAsync(at, relation.Oid, schema).ConfigureAwait(false));
        else if (spec.Kind == ReplicationKind.Logical)
            missing.AddRange(await SourceSlot.MissingAsync(source, spec, relation, columns, spec.Slot ?? SourceSlot.NameOf(owner)).ConfigureAwait(false));
        return (IReadOnlyList<string>)[.. missing.Distinct()];
    });

    private async Task<IReadOnlyList<string>> OfConditionAsync(PgSession at, NpgsqlParameter oid, NpgsqlParameter columns)
    {
        var mayMake = await at.ScalarAsync("SELECT NOT pg_catalog.pg_is_in_recovery() AND pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')").ConfigureAwait(false) is true;
        var transaction = await at.Connection.BeginTransactionAsync(at.CancellationToken).ConfigureAwait(false);
        // Never committed: the view is only looked at.
        await using var closing = transaction.ConfigureAwait(false);
        try
        {
            // The line break ends a comment at the end of the condition.
            var query = $"SELECT 1 AS omnipg_one{string.Concat(spec.Expressions.Select(e => $", ({e.Value}\n) AS {PgIdentifier.Create(e.Key).Quoted}"))} FROM {spec.Source.Quoted} {spec.Condition}\n";
            await at.ExecuteAsync(mayMake ? "SET TRANSACTION READ WRITE" : "SET TRANSACTION READ ONLY").ConfigureAwait(false);
            await PlainStatements.ExecuteAsync(at.Connection, [mayMake ? "CREATE TEMP VIEW omnipg_access AS " + query : query + "LIMIT 0"], at.CommandTimeoutSeconds, at.CancellationToken).ConfigureAwait(false);
            return mayMake ? await at.RowsAsync(OfCondition, row => row.GetString(1), oid, columns).ConfigureAwait(false) : [];
        }
        catch (PostgresException error) when (TableRun.IsOfCondition(error))
        {
            throw new InvalidConditionException(spec.Condition ?? string.Join("', '", spec.Expressions.Values), error.MessageText, error, isExpression: spec.Condition is null);
        }
    }

    // INSERT for the trigger's function, which runs as the role that made it: the application's own writes fail without it.
    private static Task<IReadOnlyList<string>> OfQueueAsync(PgSession at, QualifiedName queue) => at.RowsAsync(
        """
        SELECT 1, format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user) FROM pg_catalog.pg_namespace n WHERE n.nspname = $1 AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        UNION ALL
        SELECT 2, format('GRANT SELECT, INSERT, DELETE ON %I.%I TO %I;', n.nspname, c.relname, current_user) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2 AND NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'DELETE'))
        ORDER BY 1
        """,
        row => row.GetString(1), PgParameter.Text(queue.Schema!.Value.Value), PgParameter.Text(queue.Name.Value));
}
