namespace OmniPg.Mimeo;

/// <summary>What the role of the destination lacks: rights on the configuration, and on the table or on the place where it will be.</summary>
internal static class DestinationAccess
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
            ? await TableSetup.TableOwner.MissingAsync(session, table, owner).ConfigureAwait(false) : [];

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
