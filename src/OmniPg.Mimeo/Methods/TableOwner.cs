namespace OmniPg.Mimeo;

/// <summary>Gives what a set-up makes to another role.</summary>
internal static class TableOwner
{
    // $1 the role, $2 the schema. Since 16 a member may be one that must not take the role on.
    private const string Missing =
        """
        WITH given AS (SELECT (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1) AS oid)
        SELECT 1, format('CREATE ROLE %I;', $1) FROM given WHERE oid IS NULL
        UNION ALL
        SELECT 2, format('GRANT %I TO %I;', $1, current_user) FROM given WHERE oid IS NOT NULL AND NOT (pg_catalog.pg_has_role(oid, 'USAGE')
            AND pg_catalog.pg_has_role(oid, CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END))
        UNION ALL
        SELECT 3, format('GRANT CREATE ON SCHEMA %I TO %I;', n.nspname, $1) FROM given g JOIN pg_catalog.pg_namespace n ON n.nspname = $2
            WHERE g.oid IS NOT NULL AND NOT pg_catalog.has_schema_privilege(g.oid, n.oid, 'CREATE')
        ORDER BY 1
        """;

    /// <summary>Refuses a role that nothing can be given to, before anything is read.</summary>
    /// <exception cref="MimeoPermissionException">With the statements that mend it.</exception>
    public static async Task RequireAsync(PgSession session, string server, QualifiedName table, string owner)
    {
        var missing = await MissingAsync(session, table, owner).ConfigureAwait(false);
        if (missing.Count > 0)
            throw new MimeoPermissionException(server, $"give '{table}' to role '{owner}'", string.Join(' ', missing), null);
    }

    /// <summary>Statements without which nothing can be given to it.</summary>
    public static Task<IReadOnlyList<string>> MissingAsync(PgSession session, QualifiedName table, string owner) =>
        session.RowsAsync(Missing, row => row.GetString(1), PgParameter.Text(owner), PgParameter.Text(table.Schema!.Value.Value));

    /// <summary>Statements that give it.</summary>
    public static IEnumerable<string> Statements(ReplicationSpec spec, string owner, bool withHistory)
    {
        var snapshot = spec.Kind == ReplicationKind.Snapshot;
        QualifiedName[] tables = snapshot ? [SnapshotMethod.Table(spec.Target, 1), SnapshotMethod.Table(spec.Target, 2)] : withHistory ? [spec.Target, DeletedHistory.Table(spec.Target)] : [spec.Target];
        return tables.Select(table => $"ALTER TABLE {table.Quoted} OWNER TO {PgIdentifier.Create(owner).Quoted}")
            .Concat(snapshot ? [$"ALTER VIEW {spec.Target.Quoted} OWNER TO {PgIdentifier.Create(owner).Quoted}"] : []);
    }
}
