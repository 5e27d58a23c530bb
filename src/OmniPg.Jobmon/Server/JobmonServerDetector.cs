using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Finds the job log of a database. Two round trips, once for each data source; the synchronous form uses synchronous I/O.</summary>
internal static class JobmonServerDetector
{
    // Read-only, and works for every role. $1: schema named by the options, or null. Own-mode schemas are known by their version function.
    private const string Detect =
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

    public static readonly PgIdentifier DefaultSchema = PgIdentifier.Create("jobmon");

    private static readonly PgIdentifier LogSchema = PgIdentifier.Create("log_schema");

    /// <summary>Finds a log of any version: <see cref="JobmonServer.RequireOwnVersion"/> and <see cref="JobmonServer.RequireNothingNewer"/> judge it.</summary>
    /// <param name="async">Whether to use asynchronous I/O.</param>
    /// <param name="connection">An open connection.</param>
    /// <param name="schema">The schema to look at, or <see langword="null"/> for the extension first, then the SDK's own.</param>
    /// <param name="side">The side schema.</param>
    /// <param name="seconds">Limit of a statement.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public static async ValueTask<JobmonServer> DetectAsync(
        bool async, NpgsqlConnection connection, PgIdentifier? schema, PgIdentifier side, int seconds, CancellationToken cancellationToken)
    {
        using var command = new NpgsqlCommand(Detect, connection) { CommandTimeout = seconds, Parameters = { PgParameter.Text(schema?.Value) } };
        var reader = async ? await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false) : command.ExecuteReader();
        JobmonServer found;
        try
        {
            _ = async ? await reader.ReadAsync(cancellationToken).ConfigureAwait(false) : reader.Read();
            found = Read(reader, schema, side);
        }
        finally
        {
            await SyncCall.CloseAsync(async, reader).ConfigureAwait(false);
        }

        found = found with
        {
            FoundSide = await SchemaFind.LookAsync(async, connection, side, LogSchema, JobmonServer.CurrentSideVersion, seconds, cancellationToken).ConfigureAwait(false),
        };
        return found with { SideVersion = found.SideTrouble is null ? found.FoundSide.Version : null };
    }

    private static JobmonServer Read(NpgsqlDataReader row, PgIdentifier? schema, PgIdentifier side)
    {
        var database = row.GetString(0);
        var extension = row.IsDBNull(4) ? null : row.GetString(4);
        var own = row.IsDBNull(6) ? null : row.GetString(6);
        var useExtension = extension is not null && (schema is null || schema.Value.Value == extension);
        if (!useExtension && schema is null && row.GetInt32(8) > 1 && own != DefaultSchema.Value)
            throw new JobmonConflictException(own!, $"database '{database}' has '{row.GetInt32(8)}' job logs, so the schema must be named in the options");

        if (useExtension && Version.TryParse(row.GetString(5), out var version) && version < JobmonServer.OldestExtension)
            throw new JobmonUnsupportedVersionException("extension pg_jobmon", row.GetString(5), $"{JobmonServer.OldestExtension} or later",
                "Upgrade it with ALTER EXTENSION pg_jobmon UPDATE.");
        var logVersion = useExtension ? row.GetString(5) : row.IsDBNull(7) ? null : row.GetString(7);
        return new JobmonServer
        {
            Mode = useExtension ? JobmonMode.Extension : own is not null ? JobmonMode.Own : JobmonMode.NotInstalled,
            Database = database,
            Role = row.GetString(1),
            Version = new PgServerVersion(row.GetInt32(2)),
            IsStandby = row.GetBoolean(3),
            Schema = useExtension ? PgIdentifier.Create(extension!) : own is not null ? PgIdentifier.Create(own) : schema ?? DefaultSchema,
            LogVersion = logVersion,
            SideSchema = side,
            FunctionsThrough = useExtension && !row.IsDBNull(9) ? PgIdentifier.Create(row.GetString(9)) : null,
        };
    }
}
