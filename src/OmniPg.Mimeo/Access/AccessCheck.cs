using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>What the roles of both sides lack for one table.</summary>
internal static class AccessCheck
{
    /// <summary>Asks both.</summary>
    /// <param name="database">The destination.</param>
    /// <param name="settings">Settings of the client.</param>
    /// <param name="pools">Its data sources.</param>
    /// <param name="spec">The table.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    public static async Task<AccessResult> RunAsync(MimeoDatabase database, MimeoOptions settings, SourcePools pools, ReplicationSpec spec, CancellationToken cancellationToken)
    {
        var store = await database.RunAsync("look for the tables", (_, found) => Task.FromResult(found), cancellationToken).ConfigureAwait(false);
        if (store.Side.Version is not null)
            store.Require(database.Name);
        var (here, knowsSources) = await Here.MissingAsync(database, store, spec, cancellationToken).ConfigureAwait(false);
        if (!knowsSources)
            return new AccessResult(spec.Target, spec.From, [], here);
        var there = await database.RunAsync($"look at the rights for '{spec.Target}'", async (session, known) =>
        {
            known.Require(database.Name);
            await CopySettings.AgreeAsync(session, settings.LockTimeout).ConfigureAwait(false);
            return await There.MissingAsync(session, known, pools, spec).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
        return new AccessResult(spec.Target, spec.From, there, here);
    }

    /// <summary>What the role of the destination lacks: rights on the configuration, and on the table or on the place where it will be.</summary>
    private static class Here
    {
        // $1 schema and $2 name of the table, $3 schema of the package; $4 whether the table is made or replaced here, $5 whether rows are staged, $6 the two tables of a snapshot, or that of a history.
        private const string Places =
            """
            WITH me AS (SELECT pg_catalog.quote_ident(current_user) AS role, pg_catalog.quote_ident(pg_catalog.current_database()) AS base, pg_catalog.current_database() AS name),
                place AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname = $1),
                there AS (SELECT c.oid, c.relname, c.relkind, c.relowner FROM pg_catalog.pg_class c JOIN place p ON p.oid = c.relnamespace WHERE c.relname = $2 OR c.relname = ANY ($6))
            SELECT 1, format('GRANT CREATE ON DATABASE %s TO %s;', base, role) FROM me
                WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $3) AND NOT pg_catalog.has_database_privilege(name, 'CREATE')
            UNION ALL
            SELECT 2, format('GRANT TEMPORARY ON DATABASE %s TO %s;', base, role) FROM me WHERE $5 AND NOT pg_catalog.has_database_privilege(name, 'TEMPORARY')
            UNION ALL
            SELECT 3, format('CREATE SCHEMA %I AUTHORIZATION %s;', $1, role) FROM me WHERE NOT EXISTS (SELECT FROM place)
            UNION ALL
            SELECT 4, format('GRANT CREATE ON SCHEMA %I TO %s;', nspname, role) FROM place, me WHERE ($4 OR (SELECT count(*) FROM there) <= cardinality($6)) AND NOT pg_catalog.has_schema_privilege(oid, 'CREATE')
            UNION ALL
            SELECT 5, format('ALTER %s %I.%I OWNER TO %s;', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, nspname, relname, role)
                FROM there, place, me WHERE $4 AND NOT pg_catalog.pg_has_role(relowner, 'USAGE')
            UNION ALL
            SELECT 6, format('GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO %s;', role) FROM me WHERE NOT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
            ORDER BY 1, 2
            """;

        /// <summary>Statements that give what is missing, and whether the role may read where the source is.</summary>
        /// <param name="database">The destination.</param>
        /// <param name="store">Where the configuration is, or will be.</param>
        /// <param name="spec">The table.</param>
        /// <param name="cancellationToken">Cancels it.</param>
        public static async Task<(IReadOnlyList<string> Statements, bool KnowsSources)> MissingAsync(MimeoDatabase database, MimeoStore store, ReplicationSpec spec, CancellationToken cancellationToken)
        {
            var snapshot = spec.Kind == ReplicationKind.Snapshot;
            var schema = spec.Target.Schema!.Value;
            string[] hidden = snapshot ? [SnapshotMethod.Table(spec.Target, 1).Name.Value, SnapshotMethod.Table(spec.Target, 2).Name.Value] : spec.KeepHistory ? [DeletedHistory.Table(spec.Target).Name.Value] : [];
            var places = await database.RunAsync("look for rights", (session, _) => session.RowsAsync(Places, row => row.GetString(1),
                PgParameter.Text(schema.Value), PgParameter.Text(spec.Target.Name.Value), PgParameter.Text(store.SideSchema.Value), PgParameter.Flag(snapshot),
                PgParameter.Flag(spec.HasChanges || spec.Kind == ReplicationKind.Updater), PgParameter.Texts(hidden)), cancellationToken).ConfigureAwait(false);
            var given = spec.KeepHistory ? await database.RunAsync("look for rights", (session, _) => OfOwnerAsync(session, spec.Target), cancellationToken).ConfigureAwait(false) : [];
            var configuration = Configuration(store, spec).ToArray();
            var unread = await Privileges.MissingAsync(async: true, database.DataSource, configuration.Select(w => w.Schema).Distinct(), configuration, cancellationToken).ConfigureAwait(false);
            var table = (Privileges[])[.. snapshot ? [] : (Privileges[])[new(schema, "", RightsOf(spec.Kind), [spec.Target.Name.Value])], .. spec.KeepHistory ? (Privileges[])[new(schema, "", ["SELECT", "INSERT"], hidden)] : [], .. spec.Sequences.Select(s => new Privileges(s.Schema!.Value, "", ["UPDATE"], [s.Name.Value]))];
            var unwritten = await Privileges.MissingAsync(async: true, database.DataSource, [schema], table, cancellationToken).ConfigureAwait(false);
            var grants = from right in unread.Concat(unwritten)
                         group right by (right.Kind, right.Object, right.Role) into one
                         group one by (one.Key.Kind, one.Key.Role, Rights: string.Join(", ", one.Select(o => o.Right))) into alike
                         select Privileges.Grants(alike.SelectMany(one => one));
            return ([.. places, .. given, .. grants], store.Side.Version is not null && !unread.Any(m => m.Right is "USAGE" or "SELECT"));
        }

        // A history is made for the owner of a table that is there.
        private static async Task<IReadOnlyList<string>> OfOwnerAsync(PgSession session, QualifiedName table) =>
            await DeletedHistory.OwnerAsync(session, table).ConfigureAwait(false) is { } owner && await RelationInfo.FindAsync(session, DeletedHistory.Table(table)).ConfigureAwait(false) is null
                ? await TableOwner.MissingAsync(session, table, owner).ConfigureAwait(false) : [];

        // All that a refresh, a repull and a group do with a table that was made by somebody else; who makes it owns it.
        private static string[] RightsOf(ReplicationKind kind) => kind switch
        {
            ReplicationKind.Table or ReplicationKind.Inserter => ["SELECT", "INSERT", "DELETE", "TRUNCATE"],
            _ => ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"],
        };

        private static IEnumerable<Privileges> Configuration(MimeoStore store, ReplicationSpec spec)
        {
            string[] write = ["SELECT", "INSERT", "UPDATE", "DELETE"];
            var own = "refresh_config_" + SpecTable.TypeOf(spec);
            var isLogical = spec.Kind == ReplicationKind.Logical;
            var read = SpecTable.Types.Where(type => type != "logical").Select(type => "refresh_config_" + type).Append("refresh_config").Append("dblink_mapping_mimeo").Where(table => table != own).ToArray();
            yield return new Privileges(store.Schema, "", ["SELECT"], read);
            yield return new Privileges(store.SideSchema, "", ["SELECT"], isLogical ? ["schema_version", "source_name"] : ["schema_version", "source_name", "refresh_config_logical"]);
            yield return new Privileges(isLogical ? store.SideSchema : store.Schema, "", write, [own]);
            yield return new Privileges(store.SideSchema, "", write, ["table_state", "table_option"]);
        }
    }

    /// <summary>What the role of a source lacks: to read the rows, and for what a method needs there besides.</summary>
    private sealed class There(SourceSession source, ReplicationSpec spec, PgIdentifier schema)
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
            return await new There(source, spec, store.Schema).MissingAsync(await store.OwnerTextAsync(destination, SpecTable.Text(spec.Target)).ConfigureAwait(false)).ConfigureAwait(false);
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
}
