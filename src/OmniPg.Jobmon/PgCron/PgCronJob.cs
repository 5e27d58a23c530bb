using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One job of pg_cron and what its runs say, in the order of the columns.</summary>
/// <param name="Name">Name for rules and alerts, not yet in upper case: <c>PG_CRON: name</c>, or <c>PG_CRON: #7</c> for a job without one.</param>
/// <param name="Schedule">When it is to start, as pg_cron has it.</param>
/// <param name="Active">Whether pg_cron starts it at all.</param>
/// <param name="IsLocal">Whether its backends are those of this server; pg_cron can start jobs elsewhere.</param>
/// <param name="KnownSince">An instant at which the job is known to have been as it is now; null where nothing proves one.</param>
/// <param name="LastRun">The newest run; null for none.</param>
/// <param name="LastStatus">Its status.</param>
/// <param name="Pid">Its backend.</param>
/// <param name="LastStart">When the newest run began, or an instant that is not before it where that is not recorded.</param>
/// <param name="LastEnd">When it ended.</param>
/// <param name="IsOld">Whether others have ended since more than a minute after what is recorded last of the newest run.</param>
/// <param name="IsSeen">Whether the backend of the newest run is there.</param>
/// <param name="Blockers">Backends that it waits for.</param>
/// <param name="Failures">Failed runs since the last success.</param>
/// <param name="LastError">First line of the message of the newest failure.</param>
/// <param name="LastSuccess">End of the newest success.</param>
/// <param name="Usual">The 95th percentile of the last 20 successes in seconds, for a job at work with three of them.</param>
internal sealed record PgCronJob(
    string Name, string Schedule, bool Active, bool IsLocal, DateTimeOffset? KnownSince, long? LastRun, string? LastStatus, int? Pid, DateTimeOffset? LastStart,
    DateTimeOffset? LastEnd, bool IsOld, bool IsSeen, string? Blockers, int Failures, string? LastError, DateTimeOffset? LastSuccess, double? Usual)
{
    /// <summary>Runs that are read first; more only for jobs about which these say too little.</summary>
    public const int RecentRuns = 10_000;

    /// <summary>Failures after which counting ends.</summary>
    public const int MostFailures = 1_000;

    // $1 RecentRuns, $2 MostFailures. The table of runs has no index but the one on runid, so the newest runs of all jobs are read through it, and
    // the whole table once, if a job is not settled by them: it has neither a success among them nor failures enough, or is at work without
    // the 20 successes that tell what is usual.
    public const string Sql =
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
        SELECT 'PG_CRON: ' || coalesce(j.jobname::text, '#' || j.jobid), j.schedule, j.active,
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

    public bool IsOpen => LastStatus is not (null or "succeeded" or "failed");

    public static PgCronJob Read(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetBoolean(2), row.GetBoolean(3), row.Instant(4),
        row.BigInt(5), row.Text(6), row.Integer(7), row.Instant(8), row.Instant(9), row.GetBoolean(10), row.GetBoolean(11), row.Text(12),
        row.GetInt32(13), row.Text(14), row.Instant(15), row.Double(16));

    /// <summary>
    /// Whether the newest run never ended and its process is gone. pg_cron closes the runs of a crash when it starts, but only those that it
    /// had sent, so with its scheduler at work only one that never got a connection can be left over.
    /// </summary>
    public bool IsDead(PgCronServer server) =>
        IsOpen && IsLocal && !IsSeen && !server.IsStandby && (!server.SchedulerRuns || (LastStatus != "running" && IsOld));

    public bool IsAtWork(PgCronServer server) => IsOpen && !IsDead(server);
}
