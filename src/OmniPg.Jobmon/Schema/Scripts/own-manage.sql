CREATE OR REPLACE FUNCTION @schema@.cancel_job(p_job_id bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_job     job_log;
    v_status  text;
    v_message text;
    v_step_id bigint;
BEGIN
    SELECT * INTO v_job FROM job_log WHERE job_id = p_job_id AND end_time IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    IF to_regclass('@side.literal@.run') IS NOT NULL THEN
        IF @side@.request_cancel(p_job_id, current_user::text) IS NOT NULL THEN
            RETURN true;
        END IF;
    END IF;

    PERFORM pg_cancel_backend(a.pid) FROM pg_stat_activity a
    WHERE a.pid = v_job.pid AND a.pid <> pg_backend_pid() AND a.datname = current_database()
      AND (a.backend_start IS NULL OR a.backend_start <= v_job.start_time);

    SELECT alert_text INTO v_status FROM job_status_text WHERE alert_code = 3;
    v_message := format('Manually cancelled via call to %I.cancel_job() by %s', current_schema(), current_user);
    SELECT max(step_id) INTO v_step_id FROM job_detail WHERE job_id = p_job_id;
    IF v_step_id IS NULL THEN
        v_step_id := _autonomous_add_step(p_job_id, 'Cancelled before first step logged');
    END IF;
    PERFORM _autonomous_update_step(v_step_id, coalesce(v_status, 'CRITICAL'), v_message);
    PERFORM _autonomous_fail_job(p_job_id, 3);
    RETURN true;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.job_log_clear(p_interval interval) RETURNS void
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_boundary timestamp with time zone := now() - p_interval;
    v_job_id   bigint;
    v_step_id  bigint;
    v_rows     bigint;
    v_message  text;
    v_watched  text[];
BEGIN
    v_job_id := add_job('Purging pg_jobmon job logs');
    v_step_id := add_step(v_job_id, 'Purging pg_jobmon job logs older than ' || v_boundary);
    BEGIN
        SELECT array_agg(c.job_name) INTO v_watched FROM job_check_config c WHERE c.active;
        IF to_regclass('@side.literal@.check_rule') IS NOT NULL THEN
            SELECT array_agg(u.job_name) || v_watched INTO v_watched FROM @side@.check_rule u WHERE u.active;
        END IF;
        -- The newest run and the newest ended run of a job with an active rule stay, or the rule would call it missing.
        DELETE FROM job_log j
        WHERE j.start_time <= v_boundary AND j.job_id IS DISTINCT FROM v_job_id
          AND NOT EXISTS (SELECT FROM unnest(v_watched) AS w (job_name), LATERAL (
                  (SELECT n.job_id FROM job_log n WHERE n.job_name = w.job_name ORDER BY n.start_time DESC, n.job_id DESC LIMIT 1)
                  UNION ALL
                  (SELECT n.job_id FROM job_log n WHERE n.job_name = w.job_name AND n.end_time IS NOT NULL
                      ORDER BY n.start_time DESC, n.job_id DESC LIMIT 1)) k WHERE k.job_id = j.job_id)
          AND NOT (j.status IS NULL AND j.end_time IS NULL AND _is_live(j.job_id, j.pid, j.start_time, false));
        GET DIAGNOSTICS v_rows = ROW_COUNT;
    EXCEPTION WHEN OTHERS THEN
        PERFORM update_step(v_step_id, 'CRITICAL', 'ERROR: ' || coalesce(SQLERRM, 'unknown'));
        PERFORM fail_job(v_job_id);
        RAISE;
    END;
    v_message := CASE WHEN v_rows > 0 THEN format('Deleted %s rows from job_log and associated rows in job_detail', v_rows)
        ELSE 'No jobs logged older than ' || v_boundary END;
    RAISE NOTICE '%', v_message;
    PERFORM update_step(v_step_id, 'OK', v_message);
    PERFORM close_job(v_job_id);
END
$omnipg$;

-- Rows of the side schema go with the run they describe, whoever deletes it.
CREATE OR REPLACE FUNCTION @schema@._sweep_side_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
BEGIN
    IF to_regclass('@side.literal@.run') IS NOT NULL THEN
        DELETE FROM @side@.log_line l USING gone g WHERE l.job_id = g.job_id;
        DELETE FROM @side@.step s USING gone g WHERE s.job_id = g.job_id;
        DELETE FROM @side@.run r USING gone g WHERE r.job_id = g.job_id;
    END IF;
    RETURN NULL;
END
$omnipg$;

DROP TRIGGER IF EXISTS job_log_sweep_side_rows ON @schema@.job_log;
CREATE TRIGGER job_log_sweep_side_rows AFTER DELETE ON @schema@.job_log
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION @schema@._sweep_side_rows();

CREATE OR REPLACE FUNCTION @schema@.omnipg_jobmon_version() RETURNS integer
LANGUAGE sql IMMUTABLE
AS $omnipg$
    SELECT @own.version@
$omnipg$;
COMMENT ON FUNCTION @schema@.omnipg_jobmon_version() IS '@own.version@';
