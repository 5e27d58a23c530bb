namespace OmniPg.Jobmon;

/// <summary>What detection asks the server. Read-only, and works for every role.</summary>
internal static class JobmonServerSql
{
    // $1: schema named by the options, or null. Own-mode schemas are known by their version function.
    public const string Detect =
        """
        SELECT current_database()::text, current_user::text, current_setting('server_version_num')::int, pg_is_in_recovery(),
            e.nspname::text, e.extversion, o.nspname::text, o.version, coalesce(o.found, 0), f.dblink
        FROM (SELECT) AS one
        LEFT JOIN LATERAL (
            SELECT n.nspname, x.extversion FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
            WHERE x.extname = 'pg_jobmon') e ON true
        LEFT JOIN LATERAL (
            SELECT n.nspname, pg_catalog.obj_description(p.oid, 'pg_proc') AS version, count(*) OVER ()::int AS found
            FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE p.proname = 'omnipg_jobmon_version' AND p.pronargs = 0 AND ($1::text IS NULL OR n.nspname = $1)
            ORDER BY n.nspname <> 'jobmon', n.nspname LIMIT 1) o ON true
        -- The extension's functions run with the rights of their caller, its triggers too: a direct write needs rights on all five tables.
        LEFT JOIN LATERAL (
            SELECT d.nspname::text AS dblink
            FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace d ON d.oid = x.extnamespace
            WHERE x.extname = 'dblink'
              AND EXISTS (
                SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                JOIN (VALUES ('job_log', 'SELECT'), ('job_log', 'INSERT'), ('job_log', 'UPDATE'), ('job_detail', 'SELECT'), ('job_detail', 'INSERT'),
                             ('job_detail', 'UPDATE'), ('job_check_log', 'SELECT'), ('job_check_log', 'INSERT'), ('job_check_log', 'DELETE'),
                             ('job_check_config', 'SELECT'), ('job_status_text', 'SELECT')) AS w (relname, privilege) ON w.relname = c.relname
                WHERE n.nspname = e.nspname AND NOT pg_catalog.has_table_privilege(c.oid, w.privilege))
              AND (
                SELECT bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
                FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname = e.nspname AND p.proname IN ('auth', 'add_step', 'update_step', 'close_job', 'fail_job'))) f ON true
        """;
}
