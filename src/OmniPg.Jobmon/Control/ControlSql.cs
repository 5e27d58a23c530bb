namespace OmniPg.Jobmon;

/// <summary>Statements of the control session.</summary>
internal static class ControlSql
{
    public const string Channel = "omnipg_jobmon";

    public const string WhoAmI = "SELECT pg_backend_pid()";

    public const string Listen = "LISTEN omnipg_jobmon";

    /// <summary>$1 payload: ends the wait of a control session.</summary>
    public const string Notify = "SELECT pg_notify('omnipg_jobmon', $1)::text";

    /// <summary>$1 key. The lock says: this process lives.</summary>
    public const string SessionLock = "SELECT pg_try_advisory_lock(hashtext('omnipg_jobmon'), $1)";

    /// <summary>Everything this session holds, before it goes back to the pool.</summary>
    public const string UnlockAll = "SELECT pg_advisory_unlock_all()::text";

    /// <inheritdoc cref="UnlockAll"/>
    public const string UnlistenAll = "UNLISTEN *";

    // $1 session, $2 lock key, $3 client, $4 host, $5 os pid, $6 process start, $7 liveness, $8 version, $9 whether this is the session
    // itself: a registration ahead of it, in the first write of the process, has no backend yet.
    public const string Register =
        """
        WITH known AS (
            INSERT INTO omnipg_jobmon.session AS s (session_id, lock_key, client_name, host, os_pid, process_start, liveness, sdk_version,
                backend_pid, backend_start, started_at, heartbeat_at)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN pg_backend_pid() END,
                CASE WHEN $9 THEN (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) a) END, clock_timestamp(), clock_timestamp()
            ON CONFLICT (session_id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, ended_at = NULL,
                lock_key = coalesce(excluded.lock_key, s.lock_key), backend_pid = coalesce(excluded.backend_pid, s.backend_pid),
                backend_start = coalesce(excluded.backend_start, s.backend_start), liveness = CASE WHEN $9 THEN excluded.liveness ELSE s.liveness END
        )
        SELECT 1
        """;

    // $1 session, $2 client, $3 host, $4 os pid, $5 process start, $6 last sign of life. A session that registered itself while it lived
    // knows better.
    public const string RegisterDead =
        """
        INSERT INTO omnipg_jobmon.session (session_id, client_name, host, os_pid, process_start, liveness, started_at, heartbeat_at)
        VALUES ($1, $2, $3, $4, $5, 'heartbeat', $5, $6) ON CONFLICT (session_id) DO NOTHING
        """;

    // $1 session, $2 open runs of this process; returns those that are to be cancelled, by whom, and the backend.
    public const string Heartbeat =
        """
        UPDATE omnipg_jobmon.session SET heartbeat_at = clock_timestamp() WHERE session_id = $1
        RETURNING ARRAY(SELECT r.job_id FROM omnipg_jobmon.run r WHERE r.job_id = ANY ($2) AND r.cancel_requested_at IS NOT NULL ORDER BY r.job_id),
            ARRAY(SELECT r.cancel_requested_by FROM omnipg_jobmon.run r WHERE r.job_id = ANY ($2) AND r.cancel_requested_at IS NOT NULL ORDER BY r.job_id),
            pg_backend_pid()
        """;

    // $1 job; null where nobody asked. Waits for a request that is not committed yet: it signals the backend of the work before its own
    // end. Not in a WHERE: only what is selected is computed from the row that was waited for.
    public const string WhoAskedToCancel =
        "SELECT CASE WHEN r.cancel_requested_at IS NOT NULL THEN coalesce(r.cancel_requested_by, '') END FROM omnipg_jobmon.run r WHERE r.job_id = $1 FOR SHARE";

    /// <summary>$1 session.</summary>
    public const string End = "UPDATE omnipg_jobmon.session SET ended_at = clock_timestamp(), heartbeat_at = clock_timestamp() WHERE session_id = $1";

    // $1 name: the canonical key and the one of the name as typed, which the original uses. In ascending order, so that two processes
    // cannot each hold one.
    public const string InstanceKeys =
        "SELECT DISTINCT k FROM (VALUES (hashtext(upper($1))), (hashtext($1))) AS v (k) ORDER BY k";

    /// <summary>$1 key.</summary>
    public const string TryInstanceLock = "SELECT pg_try_advisory_lock(hashtext('sql_log'), $1)";

    /// <summary>$1 key.</summary>
    public const string InstanceUnlock = "SELECT pg_advisory_unlock(hashtext('sql_log'), $1)";

    // $1 key.
    public const string InstanceHolder =
        """
        SELECT l.pid FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
          AND l.classid = (hashtext('sql_log')::bigint & 4294967295)::oid AND l.objid = ($1::bigint & 4294967295)::oid
        LIMIT 1
        """;

    /// <summary>$1 name: the newest open run.</summary>
    public const string OpenRun =
        "SELECT job_id, start_time FROM jobmon.job_log WHERE job_name = upper($1) AND end_time IS NULL ORDER BY start_time DESC, job_id DESC LIMIT 1";

    /// <summary>$1 pid: an own backend that the network has cut off still holds its locks.</summary>
    public const string EndOldBackend = "SELECT pg_terminate_backend($1)";
}
