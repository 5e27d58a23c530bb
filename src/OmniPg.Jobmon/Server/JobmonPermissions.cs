using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Finds which right a role lacks, so that a refusal can name it together with the statement that gives it.</summary>
internal static class JobmonPermissions
{
    // One row for each missing right, the schemas first: without them nothing inside is reachable. $1, $2: the schemas; $3: the access.
    private const string Missing =
        """
        SELECT 'USAGE' AS privilege, n.nspname::text AS object, format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user) AS statement, 1 AS rank
        FROM pg_catalog.pg_namespace n
        WHERE n.nspname IN ($1, $2) AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        UNION ALL
        SELECT w.privilege, format('%I.%I', n.nspname, c.relname), format('GRANT %s ON %I.%I TO %I;', w.privilege, n.nspname, c.relname, current_user), 2
        FROM (VALUES
            ('job_log', 'SELECT', 'read'), ('job_detail', 'SELECT', 'read'), ('job_check_log', 'SELECT', 'read'),
            ('job_check_config', 'SELECT', 'read'), ('job_status_text', 'SELECT', 'read'),
            ('schema_version', 'SELECT', 'read'), ('session', 'SELECT', 'read'), ('run', 'SELECT', 'read'), ('step', 'SELECT', 'read'), ('check_rule', 'SELECT', 'read'),
            ('job_log', 'INSERT', 'write'), ('job_log', 'UPDATE', 'write'), ('job_detail', 'INSERT', 'write'), ('job_detail', 'UPDATE', 'write'),
            ('session', 'INSERT', 'write'), ('session', 'UPDATE', 'write'), ('run', 'INSERT', 'write'), ('run', 'UPDATE', 'write'),
            ('step', 'INSERT', 'write'), ('step', 'UPDATE', 'write'), ('log_line', 'INSERT', 'write'), ('log_line', 'SELECT', 'write'),
            -- The extension's triggers write the check log with the rights of whoever logs.
            ('job_check_log', 'INSERT', 'triggers'), ('job_check_log', 'DELETE', 'triggers'),
            ('job_log', 'DELETE', 'manage'), ('job_check_log', 'DELETE', 'manage'), ('job_check_config', 'INSERT', 'manage'),
            ('job_check_config', 'UPDATE', 'manage'), ('job_check_config', 'DELETE', 'manage'), ('job_status_text', 'INSERT', 'manage'),
            ('job_status_text', 'UPDATE', 'manage'), ('session', 'DELETE', 'manage'), ('run', 'DELETE', 'manage'), ('step', 'DELETE', 'manage'), ('log_line', 'DELETE', 'manage'),
            ('check_rule', 'INSERT', 'manage'), ('check_rule', 'UPDATE', 'manage'), ('check_rule', 'DELETE', 'manage'),
            ('acknowledgement', 'INSERT', 'manage')) AS w (relname, privilege, access)
        JOIN pg_catalog.pg_namespace n ON n.nspname IN ($1, $2)
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.relname AND c.relkind IN ('r', 'p')
        WHERE w.access = ANY ($3) AND NOT pg_catalog.has_table_privilege(c.oid, w.privilege)
        UNION ALL
        SELECT 'USAGE', format('%I.%I', n.nspname, c.relname), format('GRANT USAGE ON SEQUENCE %I.%I TO %I;', n.nspname, c.relname, current_user), 3
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE 'write' = ANY ($3) AND n.nspname = $1 AND c.relname IN ('job_log_job_id_seq', 'job_detail_step_id_seq')
          AND NOT pg_catalog.has_sequence_privilege(c.oid, 'USAGE')
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
        string[] access = operation.StartsWith("manage", StringComparison.Ordinal) ? ["read", "write", "manage"]
            : operation.StartsWith("write", StringComparison.Ordinal) ? ["read", "write"] : ["read"];
        if (server.Mode == JobmonMode.Extension && access.Length > 1)
            access = [.. access, "triggers"];
        using var command = dataSource.CreateCommand(Missing);
        command.Parameters.AddWithValue(server.Schema.Value);
        command.Parameters.AddWithValue(server.SideSchema.Value);
        command.Parameters.AddWithValue(access);
        // Disposed synchronously in both worlds: the rows are read to their end by then.
        using var rows = async ? await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false) : command.ExecuteReader();

        string? privilege = null, missing = null;
        var grants = new List<string>();
        while (async ? await rows.ReadAsync(cancellationToken).ConfigureAwait(false) : rows.Read())
        {
            privilege ??= rows.GetString(0);
            missing ??= rows.GetString(1);
            grants.Add(rows.GetString(2));
        }
        // Only the log itself may go through the functions; history and administration never do.
        var functionsFailed = server.ByFunctions && operation == "write";
        return privilege is null
            ? new JobmonPermissionException(server.Role, $"a right ({refusal.MessageText})", server.Schema.Value,
                "the text of Admin.GrantScript() for this role", refusal, functionsFailed)
            : new JobmonPermissionException(server.Role, privilege, missing!, string.Join(' ', grants), refusal, functionsFailed);
    }
}
