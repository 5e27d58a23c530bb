namespace OmniPg.Jobmon;

/// <summary>What is asked in the database of pg_cron. All of it only reads.</summary>
internal static class PgCronSql
{
    // The launcher names itself so since 1.1; name and database of a session are visible to every role.
    public const string Server =
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

    /// <summary>Runs that are read first; more only for jobs about which these say too little.</summary>
    public const int RecentRuns = 10_000;

    /// <summary>Failures after which counting ends.</summary>
    public const int MostFailures = 1_000;

    // $1 RecentRuns, $2 MostFailures. The table of runs has no index but the one on runid, so the newest runs of all jobs are read through it, and
    // the whole table once, if a job is not settled by them: it has neither a success among them nor failures enough, or is at work without
    // the 20 successes that tell what is usual.
    public const string Jobs =
        """
        WITH recent AS MATERIALIZED (
            SELECT r.jobid, r.runid, r.status, r.start_time, r.end_time FROM cron.job_run_details r ORDER BY r.runid DESC LIMIT $1
        ), known AS (
            SELECT r.jobid, count(*) FILTER (WHERE r.status = 'succeeded') AS good, count(*) AS runs,
                (array_agg(r.status ORDER BY r.runid DESC))[1] NOT IN ('succeeded', 'failed') AS open
            FROM recent r GROUP BY r.jobid
        ), unsettled AS MATERIALIZED (
            SELECT j.jobid FROM cron.job j LEFT JOIN known k ON k.jobid = j.jobid
            WHERE j.active AND (SELECT count(*) FROM recent) = $1
              AND (coalesce(k.good, 0) = 0 AND coalesce(k.runs, 0) < $2 OR k.open AND k.good < 20)
        ), runs AS MATERIALIZED (
            SELECT * FROM recent
            UNION ALL
            SELECT r.jobid, r.runid, r.status, r.start_time, r.end_time FROM cron.job_run_details r
            WHERE EXISTS (SELECT FROM unsettled) AND r.jobid = ANY (ARRAY(SELECT u.jobid FROM unsettled u)) AND r.runid < (SELECT min(runid) FROM recent)
        ), good AS (
            SELECT r.jobid, max(r.runid) AS runid FROM runs r WHERE r.status = 'succeeded' GROUP BY r.jobid
        ), state AS (
            SELECT r.jobid, max(r.runid) AS last_run, g.runid AS last_good, max(r.runid) FILTER (WHERE r.status = 'failed') AS last_bad,
                count(*) FILTER (WHERE r.status = 'failed' AND r.runid > coalesce(g.runid, 0)) AS failures
            FROM runs r LEFT JOIN good g ON g.jobid = r.jobid GROUP BY r.jobid, g.runid
        ), span AS (
            SELECT min(r.runid) AS low, max(r.runid) AS high FROM cron.job_run_details r
        ), mark AS MATERIALIZED (
            -- Neither a job nor, before 1.6.3, a run that found no connection has a time of its own. But every row has the number of the
            -- transaction that wrote it last, and runs that ended are a calendar of such numbers: what was written before one is older than its end.
            SELECT age(m.xmin) AS age, m.end_time
            FROM (SELECT generate_series(s.low, s.high, greatest((s.high - s.low) / 100, 1)) AS runid FROM span s
                  UNION SELECT generate_series(greatest(s.high - $1, s.low), s.high, greatest($1 / 100, 1)) FROM span s) p
            CROSS JOIN LATERAL (SELECT r.xmin, r.end_time FROM cron.job_run_details r
                WHERE r.runid >= p.runid AND r.end_time IS NOT NULL ORDER BY r.runid LIMIT 1) m
        )
        SELECT j.jobid, 'PG_CRON: ' || coalesce(j.jobname::text, '#' || j.jobid), j.username, j.schedule, j.active,
            j.nodename IN ('localhost', '127.0.0.1', '::1') OR j.nodename LIKE '/%' OR EXISTS (SELECT FROM pg_catalog.pg_settings g
                WHERE (g.name, g.setting) IN (('cron.host', j.nodename), ('cron.use_background_workers', 'on'))),
            (SELECT min(m.end_time) FROM mark m WHERE m.age < age(j.xmin)),
            l.runid, l.status, l.job_pid,
            coalesce(l.start_time, l.end_time, CASE WHEN l.status = 'failed' THEN (SELECT min(m.end_time) FROM mark m WHERE m.age < age(l.xid)) END,
                CASE WHEN l.runid IS NOT NULL THEN now() END),
            l.end_time,
            coalesce((SELECT min(m.end_time) FROM mark m WHERE m.age < age(l.xid)) < now() - interval '1 minute', false),
            a.pid IS NOT NULL,
            CASE WHEN a.pid IS NOT NULL THEN (SELECT string_agg(b::text, ', ') FROM unnest(pg_catalog.pg_blocking_pids(l.job_pid)) b) END,
            coalesce(s.failures, 0)::integer, split_part(f.return_message, E'\n', 1), o.end_time,
            u.usual
        FROM cron.job j
        LEFT JOIN state s ON s.jobid = j.jobid
        -- The limits keep these three what they are, one row each by the primary key: joined, the whole table would be hashed twice.
        LEFT JOIN LATERAL (SELECT r.runid, r.xmin AS xid, r.status, r.job_pid, r.start_time, r.end_time FROM cron.job_run_details r
            WHERE r.runid = s.last_run LIMIT 1) l ON true
        LEFT JOIN LATERAL (SELECT r.return_message FROM cron.job_run_details r WHERE r.runid = s.last_bad LIMIT 1) f ON true
        LEFT JOIN LATERAL (SELECT r.end_time FROM cron.job_run_details r WHERE r.runid = s.last_good LIMIT 1) o ON true
        -- A backend younger than the run has inherited the pid. A background worker may be told of before its own start is noted.
        LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.job_pid AND l.status NOT IN ('succeeded', 'failed')
            AND (a.backend_start IS NULL OR l.start_time IS NULL OR a.backend_start <= l.start_time + interval '5 seconds')
        LEFT JOIN LATERAL (
            SELECT CASE WHEN count(*) >= 3 THEN percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM p.end_time - p.start_time)) END AS usual
            FROM (SELECT r.start_time, r.end_time FROM runs r WHERE r.jobid = j.jobid AND r.status = 'succeeded' ORDER BY r.runid DESC LIMIT 20) p
            WHERE l.status NOT IN ('succeeded', 'failed')) u ON true
        ORDER BY j.jobid
        """;

    // $1 name, $2 pattern, $3 status, $4 since, $5 before, $6 unfinished, $7 limit, $8 run ids. A run that found no connection has no times before 1.6.3;
    // it began before those that came after it. The window follows the index downwards and ends with the limit.
    public const string Runs =
        """
        SELECT q.runid, q.jobid, q.name, q.username, q.start_time, q.end_time, q.status, coalesce(q.job_pid, 0), q.command, q.database, q.return_message
        FROM (SELECT r.runid, coalesce(r.jobid, 0) AS jobid, upper('PG_CRON: ' || coalesce(j.jobname::text, '#' || r.jobid, '#')) AS name,
                coalesce(r.username, '') AS username,
                coalesce(r.start_time, r.end_time, min(coalesce(r.start_time, r.end_time)) OVER (ORDER BY r.runid DESC ROWS UNBOUNDED PRECEDING), now()) AS start_time,
                CASE WHEN r.status IN ('succeeded', 'failed') THEN coalesce(r.end_time, r.start_time) END AS end_time,
                r.status, r.job_pid, coalesce(r.command, '') AS command, coalesce(r.database, '') AS database, r.return_message
              FROM cron.job_run_details r LEFT JOIN cron.job j ON j.jobid = r.jobid) q
        WHERE ($1 IS NULL OR q.name = upper($1)) AND ($2 IS NULL OR q.name ~* $2) AND ($3 IS NULL OR q.status = $3)
          AND ($4 IS NULL OR q.start_time >= $4) AND ($5 IS NULL OR q.start_time < $5)
          AND ($6 IS NULL OR (q.status IN ('succeeded', 'failed')) = NOT $6) AND ($8 IS NULL OR q.runid = ANY ($8))
        ORDER BY q.runid DESC LIMIT $7
        """;

    // What the server says when no job is visible: whether the policies of pg_cron, which show a role its own jobs alone, concern this role.
    public const string HidesJobs = "SELECT pg_catalog.row_security_active('cron.job')";

    // $1 names, $2 last starts, $3 starts of the runs at work, $4 durations of the last successes, $5 now, $6 usual seconds of the runs at work. Asked
    // in the database of the job log, where the rules are.
    public const string Rules =
        """
        SELECT upper(n.name), c.job_name IS NOT NULL, c.sensitivity::integer, $5 - n.last_start > c.warn_threshold, $5 - n.last_start > c.error_threshold,
        --side
            NOT coalesce(c.active, true) OR NOT coalesce(u.active, true), u.cron, u.time_zone, make_interval(secs => extract(epoch FROM u.start_grace)::double precision), u.created_at,
            CASE WHEN u.muted_until > now() THEN u.muted_until END,
            CASE WHEN $5 - n.open_since > u.max_runtime THEN format('Running for %s, longer than the allowed %s', date_trunc('second', $5 - n.open_since), u.max_runtime)
                WHEN extract(epoch FROM $5 - n.open_since) > n.usual * u.anomaly_factor THEN format('Running for %s, longer than %s times the usual %s',
                    date_trunc('second', $5 - n.open_since), u.anomaly_factor, make_interval(secs => n.usual)) END,
            CASE WHEN n.took < u.min_runtime THEN format('The last run took %s, less than the expected %s', n.took, u.min_runtime) END
        FROM unnest($1, $2, $3, $4, $6) WITH ORDINALITY n (name, last_start, open_since, took, usual, place)
        LEFT JOIN @side@.check_rule u ON u.job_name = upper(n.name)
        --noside
            NOT coalesce(c.active, true), NULL::text, NULL::text, NULL::interval, NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::text
        FROM unnest($1, $2, $3, $4, $6) WITH ORDINALITY n (name, last_start, open_since, took, usual, place)
        --end
        LEFT JOIN @schema@.job_check_config c ON c.job_name = upper(n.name)
        ORDER BY n.place
        """;
}
