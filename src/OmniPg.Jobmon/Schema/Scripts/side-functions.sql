-- The lock that the control session of an SDK process holds for as long as it lives, or a heartbeat not older than p_dead_after.
-- pg_locks is readable for every role; a standby does not see the locks of its primary, there only the heartbeat counts.
CREATE OR REPLACE FUNCTION @side@.session_is_live(p_session_id uuid, p_dead_after interval DEFAULT '60 seconds') RETURNS boolean
LANGUAGE sql STABLE SET search_path = @side@, pg_temp
AS $omnipg$
    SELECT s.heartbeat_at > now() - p_dead_after OR EXISTS (
        SELECT FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
          AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
          AND l.classid = (hashtext('omnipg_jobmon')::bigint & 4294967295)::oid
          AND l.objid = (s.lock_key::bigint & 4294967295)::oid)
    FROM session s WHERE s.session_id = p_session_id
$omnipg$;

-- Flags a run of an SDK process for cancellation, wakes the process, and cancels the attached work backend if it is still the one
-- that was attached. Behind a pooler a backend works for many: there, and for the one that asks, nothing is signalled.
-- 1: backend signalled, 0: only flagged, NULL: no living process is known for the run.
CREATE OR REPLACE FUNCTION @side@.request_cancel(p_job_id bigint, p_by text) RETURNS integer
LANGUAGE plpgsql SET search_path = @side@, pg_temp
AS $omnipg$
DECLARE
    v_run  run;
    v_hits integer := 0;
BEGIN
    UPDATE run SET cancel_requested_at = coalesce(cancel_requested_at, now()), cancel_requested_by = coalesce(cancel_requested_by, p_by)
    WHERE job_id = p_job_id AND session_id IS NOT NULL AND session_is_live(session_id)
    RETURNING * INTO v_run;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM pg_notify('omnipg_jobmon', 'cancel:' || p_job_id);
    BEGIN
        SELECT count(*) FILTER (WHERE pg_cancel_backend(a.pid)) INTO v_hits FROM pg_stat_activity a
        WHERE a.pid = v_run.work_pid AND a.backend_start = v_run.work_backend_start AND a.pid <> pg_backend_pid()
          AND EXISTS (SELECT FROM session s WHERE s.session_id = v_run.session_id AND s.liveness = 'lock');
    EXCEPTION WHEN insufficient_privilege THEN
        -- The flag is enough: the process cancels its own backend.
        v_hits := 0;
    END;
    RETURN least(v_hits, 1);
END
$omnipg$;

-- Closes unfinished runs whose process is gone; with p_foreign also runs without a side row whose backend is gone. Of several callers
-- at once exactly one closes a run: the others find end_time set.
CREATE OR REPLACE FUNCTION @side@.reap_dead_jobs(p_dead_after interval DEFAULT '60 seconds', p_foreign boolean DEFAULT false)
RETURNS integer
LANGUAGE plpgsql SET search_path = @side@, pg_temp
AS $omnipg$
DECLARE
    v_dead   record;
    v_moment timestamp with time zone := clock_timestamp();
    v_status text;
    v_reaped integer := 0;
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN 0;
    END IF;
    SELECT coalesce(max(alert_text), 'CRITICAL') INTO v_status FROM @schema@.job_status_text WHERE alert_code = 3;

    FOR v_dead IN
        SELECT j.job_id, s.session_id IS NOT NULL AS known,
            CASE WHEN s.session_id IS NULL THEN format('DIED: backend %s', j.pid)
                ELSE format('DIED: %s on %s (process %s) last seen %s', s.client_name, s.host, s.os_pid, s.heartbeat_at) END AS message
        FROM @schema@.job_log j LEFT JOIN run r ON r.job_id = j.job_id LEFT JOIN session s ON s.session_id = r.session_id
        WHERE j.status IS NULL AND j.end_time IS NULL
          AND CASE WHEN s.session_id IS NOT NULL THEN NOT coalesce(session_is_live(s.session_id, p_dead_after), false)
              ELSE p_foreign AND NOT EXISTS (SELECT FROM pg_stat_activity a
                  WHERE a.pid = j.pid AND (a.backend_start IS NULL OR a.backend_start <= j.start_time)) END
        ORDER BY j.job_id
    LOOP
        UPDATE @schema@.job_log SET end_time = v_moment, status = v_status WHERE job_id = v_dead.job_id AND end_time IS NULL;
        CONTINUE WHEN NOT FOUND;
        v_reaped := v_reaped + 1;
        UPDATE @schema@.job_detail
        SET end_time = v_moment, status = v_status, elapsed_time = greatest(extract(epoch FROM v_moment - start_time), 0)::real,
            message = CASE WHEN message IS NULL THEN v_dead.message ELSE v_dead.message || E'\n' || message END
        WHERE job_id = v_dead.job_id AND (end_time IS NULL OR status = 'PENDING');
        IF NOT FOUND THEN
            INSERT INTO @schema@.job_detail (job_id, action, start_time, end_time, elapsed_time, status, message)
            VALUES (v_dead.job_id, 'Died outside a step', v_moment, v_moment, 0, v_status, v_dead.message);
        END IF;
        UPDATE run SET reaped_at = v_moment WHERE job_id = v_dead.job_id;
        PERFORM pg_notify('omnipg_jobmon', 'end:' || v_dead.job_id);
    END LOOP;
    RETURN v_reaped;
END
$omnipg$;

DELETE FROM @side@.schema_version;
INSERT INTO @side@.schema_version (version, log_schema) VALUES (@side.version@, '@schema.name.literal@');
