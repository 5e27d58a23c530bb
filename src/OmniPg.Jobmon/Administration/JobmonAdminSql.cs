namespace OmniPg.Jobmon;

/// <summary>Statements of the administration.</summary>
internal static class JobmonAdminSql
{
    // $1 name, $2 by, $3 why.
    public const string Acknowledge =
        """
        WITH gone AS (DELETE FROM @schema@.job_check_log WHERE job_name = upper($1) RETURNING job_id)
        --side
        , kept AS (
            INSERT INTO @side@.acknowledgement (job_name, job_ids, acknowledged_by, why)
            SELECT upper($1), array_agg(g.job_id ORDER BY g.job_id), $2, $3 FROM gone g HAVING count(*) > 0)
        --end
        SELECT count(*)::integer FROM gone WHERE $2 IS NOT NULL OR $3 IS NOT NULL
        """;

    // $1 name, $2 until, $3 by, $4 why.
    public const string Mute =
        """
        INSERT INTO @side@.check_rule AS r (job_name, muted_until, muted_by, muted_why) VALUES (upper($1), $2, $3, $4)
        ON CONFLICT (job_name) DO UPDATE SET muted_until = excluded.muted_until, muted_by = excluded.muted_by, muted_why = excluded.muted_why
        """;

    // $1 code, $2 text. Changes nothing when the text belongs to another code.
    public const string SetStatusText =
        """
        INSERT INTO @schema@.job_status_text AS t (alert_code, alert_text)
        SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM @schema@.job_status_text WHERE alert_text = $2 AND alert_code <> $1)
        ON CONFLICT (alert_code) DO UPDATE SET alert_text = excluded.alert_text
        """;

    // $1 name, $2 warning, $3 error: what would be stored, and whether it makes sense.
    public const string JudgeThresholds =
        """
        SELECT w.warn IS NULL OR w.error IS NULL, w.warn > w.error, least(w.warn, w.error) <= '0', w.warn::text, w.error::text
        FROM (SELECT coalesce($2::interval, c.warn_threshold) AS warn, coalesce($3::interval, c.error_threshold) AS error
              FROM (SELECT upper($1) AS name) n LEFT JOIN @schema@.job_check_config c ON c.job_name = n.name) w
        """;

    // $1 name, $2 warning, $3 error, $4 active, $5 sensitivity, $6 escalate, $7 whether escalate is set.
    public const string SaveThresholds =
        """
        INSERT INTO @schema@.job_check_config AS c (job_name, warn_threshold, error_threshold, active, sensitivity, escalate)
        VALUES (upper($1), $2::interval, $3::interval, $4, coalesce($5::smallint, 0::smallint), $6)
        ON CONFLICT (job_name) DO UPDATE SET warn_threshold = excluded.warn_threshold, error_threshold = excluded.error_threshold,
            active = excluded.active, sensitivity = coalesce($5::smallint, c.sensitivity), escalate = CASE WHEN $7 THEN excluded.escalate ELSE c.escalate END
        """;

    // $1 name, $2 active, $3 cron, $4 zone, $5 grace, $6 longest, $7 shortest, $8 anomaly, $9 stall.
    public const string SaveSchedule =
        """
        INSERT INTO @side@.check_rule AS r (job_name, active, cron, time_zone, start_grace, max_runtime, min_runtime, anomaly_factor, stall_after)
        VALUES (upper($1), $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (job_name) DO UPDATE SET active = excluded.active, cron = coalesce(excluded.cron, r.cron),
            time_zone = coalesce(excluded.time_zone, r.time_zone), start_grace = coalesce(excluded.start_grace, r.start_grace),
            max_runtime = coalesce(excluded.max_runtime, r.max_runtime), min_runtime = coalesce(excluded.min_runtime, r.min_runtime),
            anomaly_factor = coalesce(excluded.anomaly_factor, r.anomaly_factor), stall_after = coalesce(excluded.stall_after, r.stall_after),
            created_at = CASE WHEN excluded.cron IS NULL THEN r.created_at ELSE now() END
        """;
}
