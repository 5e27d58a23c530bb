WITH cfg AS MATERIALIZED (
    SELECT c.job_name, c.warn_threshold, c.error_threshold, c.sensitivity FROM @schema@.job_check_config c WHERE c.active
), locks AS MATERIALIZED (
    -- Column waitstart came with 14; by way of the whole row the same text runs on 13.
    SELECT l.pid, l.granted, l.locktype, l.database, l.classid, l.objid, l.objsubid,
        CASE WHEN NOT l.granted THEN (to_jsonb(l) ->> 'waitstart')::timestamptz END AS waitstart
    FROM pg_catalog.pg_locks l
    WHERE NOT l.granted OR l.locktype = 'advisory'
), open_runs AS MATERIALIZED (
    -- Every unfinished run, found through the index on status, and whether its process is seen. A backend younger than the run has
    -- inherited the pid; backend_start is NULL where this role may not see it, and then presence of the pid is all there is to know.
    SELECT j.job_id, j.job_name, j.start_time, j.pid, a.pid IS NOT NULL AND a.backend_start IS NULL AS unverified,
        a.pid IS NOT NULL AND (a.backend_start IS NULL OR a.backend_start <= j.start_time) AS live, false AS known,
        NULL::text AS last_seen, NULL::integer AS work_pid
    FROM @schema@.job_log j LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = j.pid
    WHERE j.status IS NULL AND j.end_time IS NULL
        --side
        AND NOT EXISTS (SELECT FROM @side@.run r JOIN @side@.session s ON s.session_id = r.session_id WHERE r.job_id = j.job_id)
    UNION ALL
    -- Blocking concerns the attached backend, if it still is the one that was attached.
    SELECT j.job_id, j.job_name, j.start_time, NULL::integer, false,
        s.heartbeat_at > now() - @dead.after@ OR EXISTS (SELECT FROM locks l
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
              AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
              AND l.classid = (hashtext('omnipg_jobmon')::bigint & 4294967295)::oid
              AND l.objid = (s.lock_key::bigint & 4294967295)::oid),
        true, format('%s on %s (process %s) last seen %s', s.client_name, s.host, s.os_pid, s.heartbeat_at), w.pid
    FROM @schema@.job_log j JOIN @side@.run r ON r.job_id = j.job_id JOIN @side@.session s ON s.session_id = r.session_id
    LEFT JOIN pg_catalog.pg_stat_activity w ON w.pid = r.work_pid
        AND (w.backend_start IS NULL OR r.work_backend_start IS NULL OR w.backend_start = r.work_backend_start)
    WHERE j.status IS NULL AND j.end_time IS NULL
        --end
), missing AS (
    SELECT c.job_name, n.max_start, CASE WHEN now() - n.max_start <= c.error_threshold THEN 2 ELSE 3 END AS code,
        CASE WHEN now() - n.max_start <= c.error_threshold THEN c.warn_threshold ELSE c.error_threshold END AS threshold,
        coalesce(n.max_start, (SELECT max(j.start_time) FROM @schema@.job_log j WHERE j.job_name = c.job_name)) AS last_start
    FROM cfg c
    LEFT JOIN LATERAL (
        SELECT max(j.start_time) AS max_start FROM @schema@.job_log j
        WHERE j.job_name = c.job_name AND j.start_time > now() - @history@) n ON true
    WHERE n.max_start IS NULL OR now() - n.max_start > c.warn_threshold
), found AS (
    SELECT l.alert_code, 'FAILED_RUN' AS alert_status, l.job_name, format('3 consecutive %s runs', coalesce(t.alert_text, 'level ' || l.alert_code)) AS alert_text,
        NULL::timestamp with time zone AS last_start, NULL::interval AS threshold
    FROM @schema@.job_check_log l LEFT JOIN @schema@.job_status_text t ON t.alert_code = l.alert_code
    WHERE NOT EXISTS (SELECT FROM @schema@.job_check_config c WHERE c.job_name = l.job_name)
    GROUP BY l.job_name, l.alert_code, t.alert_text HAVING count(*) > 2
    UNION ALL
    SELECT l.alert_code, 'FAILED_RUN', l.job_name, format('%s %s run(s)', count(*), coalesce(t.alert_text, 'level ' || l.alert_code)), NULL, NULL
    FROM @schema@.job_check_log l JOIN cfg c ON c.job_name = l.job_name LEFT JOIN @schema@.job_status_text t ON t.alert_code = l.alert_code
    GROUP BY l.job_name, l.alert_code, t.alert_text, c.sensitivity HAVING count(*) > c.sensitivity
    UNION ALL
    SELECT m.code, 'MISSING', m.job_name, NULL, m.last_start, m.threshold FROM missing m
), running AS (
    SELECT o.job_name, bool_and(o.unverified) AS unverified
    FROM open_runs o JOIN cfg c ON c.job_name = o.job_name
    WHERE (o.live OR pg_is_in_recovery()) AND o.start_time > now() - @history@
      AND now() - o.start_time >= least(c.warn_threshold, c.error_threshold)
    GROUP BY o.job_name
), blocked AS (
    SELECT o.job_name, max(o.work_pid) AS work_pid, min(l.waitstart) AS since
    FROM open_runs o JOIN locks l ON NOT l.granted AND l.pid IN (o.pid, o.work_pid)
    WHERE o.live AND o.start_time > now() - @history@ AND NOT pg_is_in_recovery()
    GROUP BY o.job_name
), described AS (
    SELECT f.alert_code,
        CASE WHEN b.job_name IS NOT NULL THEN 'BLOCKED'
            WHEN r.job_name IS NULL THEN f.alert_status
            WHEN pg_is_in_recovery() THEN 'UNKNOWN'
            WHEN r.unverified THEN 'RUNNING (unverified)' ELSE 'RUNNING' END AS alert_status,
        f.job_name,
        CASE WHEN b.job_name IS NOT NULL THEN 'Another transaction has a lock that blocking this job from completing'
                || coalesce((SELECT ' (blocked by pid ' || string_agg(p::text, ', ') || coalesce(' since ' || b.since, '') || ')' FROM unnest(pg_blocking_pids(b.work_pid)) p), '')
            WHEN r.job_name IS NULL THEN coalesce(f.alert_text, 'Last completed run: ' || e.max_end,
                'Has not completed a run since highest configured monitoring time period')
            WHEN pg_is_in_recovery() THEN coalesce('Whether it runs cannot be seen on a standby. Last completed run: ' || e.max_end,
                'Whether it runs cannot be seen on a standby. Job has not had a completed run within configured monitoring time period.')
            ELSE coalesce('Currently running. Last completed run: ' || e.max_end,
                'Currently running. Job has not had a completed run within configured monitoring time period.') END AS alert_text,
        f.last_start, f.threshold
    FROM found f
    LEFT JOIN running r ON r.job_name = f.job_name
    LEFT JOIN blocked b ON b.job_name = f.job_name
    LEFT JOIN LATERAL (
        SELECT max(j.end_time) AS max_end FROM @schema@.job_log j
        WHERE j.job_name = f.job_name AND j.start_time > now() - @history@
          AND (r.job_name IS NOT NULL OR f.alert_text IS NULL)) e ON true
    UNION ALL
    SELECT 3, 'DIED', o.job_name,
        (array_agg(coalesce(o.last_seen, format('Backend %s of the run started %s is gone', o.pid, o.start_time))
            ORDER BY o.start_time DESC))[1] || CASE WHEN count(*) > 1 THEN format(' (%s runs)', count(*)) ELSE '' END, NULL, NULL
    FROM open_runs o
    WHERE NOT o.live AND NOT pg_is_in_recovery() AND (o.known OR o.start_time > now() - @history@)
    GROUP BY o.job_name
    --side
    UNION ALL
    SELECT 2, 'OVERDUE', o.job_name, format('Running for %s, longer than the allowed %s',
        date_trunc('second', now() - min(o.start_time)), min(coalesce(n.max_runtime, u.max_runtime))), NULL, NULL
    FROM open_runs o
    LEFT JOIN @side@.run n ON n.job_id = o.job_id
    LEFT JOIN @side@.check_rule u ON u.job_name = o.job_name AND u.active
    WHERE (o.live OR pg_is_in_recovery()) AND now() - o.start_time > coalesce(n.max_runtime, u.max_runtime)
    GROUP BY o.job_name
    UNION ALL
    SELECT 2, 'OVERDUE', o.job_name, format('Running for %s, longer than %s times the usual %s',
        date_trunc('second', now() - min(o.start_time)), u.anomaly_factor, make_interval(secs => h.p95)), NULL, NULL
    FROM open_runs o
    JOIN @side@.check_rule u ON u.job_name = o.job_name AND u.active AND u.anomaly_factor IS NOT NULL
    JOIN LATERAL (
        SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM p.end_time - p.start_time)) AS p95, count(*) AS runs
        FROM (SELECT j.start_time, j.end_time FROM @schema@.job_log j
              WHERE j.job_name = o.job_name AND j.end_time IS NOT NULL
                AND j.status = (SELECT t.alert_text FROM @schema@.job_status_text t WHERE t.alert_code = 1)
              ORDER BY j.start_time DESC LIMIT 20) p) h ON h.runs >= 3
    WHERE o.live AND extract(epoch FROM now() - o.start_time) > h.p95 * u.anomaly_factor
    GROUP BY o.job_name, u.anomaly_factor, h.p95
    UNION ALL
    SELECT 2, 'TOO_FAST', u.job_name, format('The last run took %s, less than the expected %s', p.end_time - p.start_time, u.min_runtime), NULL, NULL
    FROM @side@.check_rule u
    JOIN LATERAL (SELECT j.start_time, j.end_time, j.status FROM @schema@.job_log j
        WHERE j.job_name = u.job_name AND j.end_time IS NOT NULL ORDER BY j.start_time DESC LIMIT 1) p ON true
    JOIN @schema@.job_status_text t ON t.alert_code = 1 AND t.alert_text = p.status
    WHERE u.active AND p.end_time - p.start_time < u.min_runtime
    UNION ALL
    SELECT 2, 'STALLED', o.job_name, format('No progress since %s in step: %s', max(s.progress_at), max(d.action)), NULL, NULL
    FROM open_runs o
    JOIN @side@.step s ON s.job_id = o.job_id
    JOIN @schema@.job_detail d ON d.step_id = s.step_id AND (d.end_time IS NULL OR d.status = 'PENDING')
    LEFT JOIN @side@.run n ON n.job_id = o.job_id
    LEFT JOIN @side@.check_rule u ON u.job_name = o.job_name AND u.active
    WHERE (o.live OR pg_is_in_recovery()) AND now() - s.progress_at > coalesce(n.stall_after, u.stall_after)
    GROUP BY o.job_name
    --end
)
SELECT DISTINCT d.alert_code, d.alert_status, d.job_name, d.alert_text,
    --noside
    NULL::timestamp with time zone AS muted_until,
    --side
    u.muted_until,
    --end
    d.last_start, d.threshold::text AS threshold, extract(epoch FROM now() - d.last_start - d.threshold)::double precision AS late
FROM described d
--side
LEFT JOIN @side@.check_rule u ON u.job_name = d.job_name AND u.muted_until > now()
--end
ORDER BY d.alert_code DESC, d.job_name, d.alert_status, d.alert_text
