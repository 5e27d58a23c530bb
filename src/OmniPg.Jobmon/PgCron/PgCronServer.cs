using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>What the database of pg_cron says of itself when a check looks.</summary>
/// <param name="Database">Its name.</param>
/// <param name="Role">The role that looks.</param>
/// <param name="Now">The server's clock.</param>
/// <param name="IsStandby">Whether it is a standby, where nobody is seen at work.</param>
/// <param name="SchedulerRuns">Whether the launcher that starts the jobs of this database is there.</param>
/// <param name="Zone">Zone of the schedules; null where this machine does not know <paramref name="ZoneName"/>.</param>
/// <param name="ZoneName">The zone as the server names it (<c>cron.timezone</c>).</param>
/// <param name="RecordsRuns">Whether runs are recorded (<c>cron.log_run</c>).</param>
/// <param name="StartsJobs">Whether active jobs are started at all (<c>cron.launch_active_jobs</c>, from 1.6 on).</param>
/// <param name="BothDays">Whether a day must match both day fields of a schedule, where cron takes either (<c>cron.match_dom_and_dow</c>).</param>
internal sealed record PgCronServer(
    string Database, string Role, DateTimeOffset Now, bool IsStandby, bool SchedulerRuns, TimeZoneInfo? Zone, string ZoneName, bool RecordsRuns, bool StartsJobs,
    bool BothDays)
{
    // The launcher names itself so since 1.1; name and database of a session are visible to every role.
    public const string Sql =
        """
        SELECT current_database()::text, current_user::text, now(), pg_is_in_recovery(), x.extversion,
            coalesce((SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n WHERE n.nspname = 'cron'), false),
            coalesce((SELECT bool_and(pg_catalog.has_table_privilege(c.oid, 'SELECT'))
                FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'cron' AND c.relname IN ('job', 'job_run_details')), false),
            EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.application_name = 'pg_cron scheduler' AND a.datname = current_database()),
            pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE'), s.zone, s.log_run, s.launch, s.both_days
        FROM (SELECT) AS one
        LEFT JOIN pg_catalog.pg_extension x ON x.extname = 'pg_cron'
        CROSS JOIN LATERAL (
            SELECT max(g.setting) FILTER (WHERE g.name = 'cron.timezone') AS zone, max(g.setting) FILTER (WHERE g.name = 'cron.log_run') AS log_run,
                max(g.setting) FILTER (WHERE g.name = 'cron.launch_active_jobs') AS launch,
                max(g.setting) FILTER (WHERE g.name = 'cron.match_dom_and_dow') AS both_days
            FROM pg_catalog.pg_settings g WHERE g.name LIKE 'cron.%') s
        """;

    /// <summary>Oldest extension that records its runs.</summary>
    public static readonly Version OldestExtension = new(1, 3);

    /// <exception cref="JobmonNotInstalledException">The database has no pg_cron.</exception>
    /// <exception cref="JobmonUnsupportedVersionException">It records no runs.</exception>
    /// <exception cref="JobmonPermissionException">The role may not read its tables, or not the settings that schedules depend on.</exception>
    public static PgCronServer Read(NpgsqlDataReader row)
    {
        var (database, role) = (row.GetString(0), row.GetString(1));
        if (row.IsDBNull(4))
            throw JobmonNotInstalledException.OfPgCron(database);
        RequireVersion(row.GetString(4));
        var grantee = PgIdentifier.Create(role).Quoted;
        if (!row.GetBoolean(5))
            throw new JobmonPermissionException(role, "USAGE", "schema cron", $"GRANT USAGE ON SCHEMA cron TO {grantee};");
        if (!row.GetBoolean(6))
            throw new JobmonPermissionException(role, "SELECT", "cron.job, cron.job_run_details", $"GRANT SELECT ON cron.job, cron.job_run_details TO {grantee};");
        // Everything pg_cron can be set to is hidden from roles without this right, the time zone of the schedules too.
        if (!row.GetBoolean(8))
            throw new JobmonPermissionException(role, "the right to read", "cron.timezone, cron.log_run", $"GRANT pg_read_all_settings TO {grantee};");
        var zone = row.Text(9) ?? "GMT";
        return new PgCronServer(
            database, role, Now: row.GetFieldValue<DateTimeOffset>(2), IsStandby: row.GetBoolean(3), SchedulerRuns: row.GetBoolean(7), FindZone(zone), zone,
            RecordsRuns: row.Text(10) != "off", StartsJobs: row.Text(11) != "off", BothDays: row.Text(12) == "on");
    }

    private static void RequireVersion(string found)
    {
        // Versions look like 1.4-1: an update of the scripts alone.
        var number = found.Split('-')[0];
        if (Version.TryParse(number, out var version) && version < OldestExtension)
            throw new JobmonUnsupportedVersionException("extension pg_cron", found, $"{OldestExtension} or later", "Update pg_cron, then run ALTER EXTENSION pg_cron UPDATE.");
    }

    private static TimeZoneInfo? FindZone(string name) =>
        // The default, and all there is where a machine has no time zone data.
        name.ToUpperInvariant() is "GMT" or "UTC" ? TimeZoneInfo.Utc
            : TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) ? zone : null;
}
