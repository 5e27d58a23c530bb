using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Finds which right a role lacks, so that a refusal can name it together with the statement that gives it.</summary>
internal static class JobmonPermissions
{
    // One row for each missing right, the schemas first: without them nothing inside is reachable. $1, $2: the schemas; $3 to $5: whether in the
    // second schema, relation or function, and privilege.
    private const string Missing =
        """
        SELECT 'USAGE' AS privilege, format('%I', n.nspname) AS object, 'SCHEMA ' AS kind, quote_ident(current_user) AS role, 1 AS rank
        FROM pg_catalog.pg_namespace n
        WHERE n.nspname IN ($1, $2) AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        UNION ALL
        SELECT w.privilege, format('%I.%I', n.nspname, c.relname), CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END, quote_ident(current_user),
            CASE c.relkind WHEN 'S' THEN 3 ELSE 2 END
        FROM unnest($3::boolean[], $4::text[], $5::text[]) AS w (side, relname, privilege)
        JOIN pg_catalog.pg_namespace n ON n.nspname = CASE WHEN w.side THEN $2 ELSE $1 END
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.relname AND c.relkind IN ('r', 'p', 'S')
        WHERE NOT CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, w.privilege) ELSE pg_catalog.has_table_privilege(c.oid, w.privilege) END
        UNION ALL
        SELECT 'EXECUTE', format('%I.%s', n.nspname, w.relname), 'FUNCTION ', quote_ident(current_user), 4
        FROM unnest($3::boolean[], $4::text[]) AS w (side, relname)
        JOIN pg_catalog.pg_namespace n ON n.nspname = CASE WHEN w.side THEN $2 ELSE $1 END
        JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid
            AND w.relname = p.proname || '(' || replace(pg_catalog.oidvectortypes(p.proargtypes), ', ', ',') || ')'
        WHERE NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
        ORDER BY rank, object, privilege
        """;

    /// <summary>The exception for a refusal with SQLSTATE 42501: names the first missing right, and grants all that are missing.</summary>
    /// <param name="async">Whether to use asynchronous I/O.</param>
    /// <param name="dataSource">Gives a fresh connection: the one that was refused may be inside an aborted transaction.</param>
    /// <param name="server">Where the log is.</param>
    /// <param name="operation">What was refused; <c>manage…</c>, <c>write…</c> or anything else for reading.</param>
    /// <param name="refusal">The server's answer.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public static async ValueTask<JobmonPermissionException> ExplainAsync(
        bool async, NpgsqlDataSource dataSource, JobmonServer server, string operation, PostgresException refusal, CancellationToken cancellationToken)
    {
        var access = operation.StartsWith("manage", StringComparison.Ordinal) ? JobmonAccess.Manage
            : operation.StartsWith("write", StringComparison.Ordinal) ? JobmonAccess.Write : JobmonAccess.Read;
        var rights = (from grant in JobmonRights.Used(server.Mode, access)
                      from relation in grant.Objects
                      from one in grant.Privileges
                      select (grant.Side, Relation: relation, Privilege: one)).ToArray();
        using var command = dataSource.CreateCommand(Missing);
        command.Parameters.AddWithValue(server.Schema.Value);
        command.Parameters.AddWithValue(server.SideSchema.Value);
        command.Parameters.AddWithValue(Array.ConvertAll(rights, right => right.Side));
        command.Parameters.AddWithValue(Array.ConvertAll(rights, right => right.Relation));
        command.Parameters.AddWithValue(Array.ConvertAll(rights, right => right.Privilege));
        // Disposed synchronously in both worlds: the rows are read to their end by then.
        using var rows = async ? await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false) : command.ExecuteReader();

        var lacking = new List<(string Privilege, string Object, string Kind, string Role)>();
        while (async ? await rows.ReadAsync(cancellationToken).ConfigureAwait(false) : rows.Read())
            lacking.Add((rows.GetString(0), rows.GetString(1), rows.GetString(2), rows.GetString(3)));
        // Only the log itself may go through the functions; history and administration never do.
        var functionsFailed = server.ByFunctions && operation == "write";
        return lacking is [var first, ..]
            ? new JobmonPermissionException(server.Role, first.Privilege, first.Object, Grants(lacking), refusal, functionsFailed)
            : new JobmonPermissionException(server.Role, $"a right ({refusal.MessageText})", server.Schema.Value,
                "the text of Admin.GrantScriptAsync() for this role", refusal, functionsFailed);
    }

    // One statement for all objects that lack the same: somebody has to read them before they are run.
    private static string Grants(List<(string Privilege, string Object, string Kind, string Role)> lacking) => string.Join(' ',
        from right in lacking
        group right.Privilege by (right.Kind, right.Object, right.Role) into one
        group one.Key.Object by (one.Key.Kind, one.Key.Role, Privileges: string.Join(", ", one)) into alike
        select $"GRANT {alike.Key.Privileges} ON {alike.Key.Kind}{string.Join(", ", alike)} TO {alike.Key.Role};");
}
