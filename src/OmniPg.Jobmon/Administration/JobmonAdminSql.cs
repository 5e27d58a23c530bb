namespace OmniPg.Jobmon;

/// <summary>Statements of the administration.</summary>
internal static class JobmonAdminSql
{
    // $1 name, or $4 run; $2 by, $3 why.
    public const string Acknowledge =
        """
        WITH gone AS (DELETE FROM @schema@.job_check_log WHERE job_name = upper($1) OR job_id = $4 RETURNING job_id, job_name)
        --side
        , kept AS (
            INSERT INTO @side@.acknowledgement (job_name, job_ids, acknowledged_by, why)
            SELECT g.job_name, array_agg(g.job_id ORDER BY g.job_id), $2, $3 FROM gone g GROUP BY g.job_name)
        --end
        SELECT count(*)::integer FROM gone WHERE $2 IS NOT NULL OR $3 IS NOT NULL
        """;

    // $1 name, $2 until, $3 by, $4 why.
    public const string Mute = "INSERT INTO @side@.check_rule AS r (job_name, muted_until, muted_by, muted_why) VALUES (upper($1), $2, $3, $4)" + Muted;

    // The same with an interval.
    public const string MuteFor = "INSERT INTO @side@.check_rule AS r (job_name, muted_until, muted_by, muted_why) VALUES (upper($1), now() + $2, $3, $4)" + Muted;

    // Not where nothing is muted: the row would look like a rule.
    public const string Unmute = "UPDATE @side@.check_rule r SET muted_until = $2, muted_by = $3, muted_why = $4 WHERE r.job_name = upper($1) RETURNING r.muted_until";

    private const string Muted =
        """

        ON CONFLICT (job_name) DO UPDATE SET muted_until = excluded.muted_until, muted_by = excluded.muted_by, muted_why = excluded.muted_why
        RETURNING r.muted_until
        """;

    // A row without limits stands for a muting only, and is no rule once that is over.
    public const string Rules =
        """
        SELECT * FROM (
            SELECT coalesce(c.job_name, u.job_name) AS job_name, coalesce(c.active, false) OR coalesce(u.active AND u.limits > 0, false),
                c.warn_threshold, c.error_threshold, c.sensitivity, c.escalate,
                u.cron, u.time_zone, u.start_grace, u.max_runtime, u.min_runtime, u.anomaly_factor, u.stall_after,
                u.muted_until, u.muted_by, u.muted_why
            FROM @schema@.job_check_config c
            --side
            FULL JOIN (
                SELECT r.job_name, r.active, num_nonnulls(r.cron, r.max_runtime, r.min_runtime, r.anomaly_factor, r.stall_after) AS limits,
                    r.cron, r.time_zone, r.start_grace, r.max_runtime, r.min_runtime, r.anomaly_factor, r.stall_after,
                    CASE WHEN r.muted_until > now() THEN r.muted_until END AS muted_until,
                    CASE WHEN r.muted_until > now() THEN r.muted_by END AS muted_by, CASE WHEN r.muted_until > now() THEN r.muted_why END AS muted_why
                FROM @side@.check_rule r) u ON u.job_name = c.job_name
            WHERE c.job_name IS NOT NULL OR u.limits > 0 OR u.muted_until IS NOT NULL
            --noside
            CROSS JOIN (SELECT false AS active, 0 AS limits, NULL::text AS job_name, NULL::text AS cron, NULL::text AS time_zone, NULL::interval AS start_grace,
                NULL::interval AS max_runtime, NULL::interval AS min_runtime, NULL::float8 AS anomaly_factor, NULL::interval AS stall_after,
                NULL::timestamptz AS muted_until, NULL::text AS muted_by, NULL::text AS muted_why) u
            --end
        ) AS r ORDER BY r.job_name
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
        SELECT w.warn > w.error, least(w.warn, w.error) <= '0', w.warn, w.error
        FROM (SELECT coalesce($2, c.warn_threshold) AS warn, coalesce($3, c.error_threshold) AS error
              FROM (SELECT upper($1) AS name) n LEFT JOIN @schema@.job_check_config c ON c.job_name = n.name) w
        """;

    // $1 name, $2 warning, $3 error, $4 active, $5 sensitivity, $6 escalate, $7 whether escalate is set.
    public const string SaveThresholds =
        """
        INSERT INTO @schema@.job_check_config AS c (job_name, warn_threshold, error_threshold, active, sensitivity, escalate)
        VALUES (upper($1), $2, $3, $4, coalesce($5::smallint, 0::smallint), $6)
        ON CONFLICT (job_name) DO UPDATE SET warn_threshold = excluded.warn_threshold, error_threshold = excluded.error_threshold,
            active = excluded.active, sensitivity = coalesce($5::smallint, c.sensitivity), escalate = CASE WHEN $7 THEN excluded.escalate ELSE c.escalate END
        """;

    // $1 name, $2 active.
    public const string SwitchSchedule = "UPDATE @side@.check_rule SET active = $2 WHERE job_name = upper($1) AND active <> $2";

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
