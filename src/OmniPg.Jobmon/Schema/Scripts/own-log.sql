-- The answer -1 of a function that lends rights. Outside of the block that guards the loss of dblink, or it would pass for one.
CREATE OR REPLACE FUNCTION @schema@._refuse_foreign(p_function text, p_what text) RETURNS void
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
BEGIN
    RAISE EXCEPTION '%: % belongs to another role than %', p_function, p_what, session_user
        USING ERRCODE = 'insufficient_privilege', HINT = 'A role ends and updates runs of its own and of roles it is a member of; with the rights of manage those of all.';
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.add_job(p_job_name text) RETURNS bigint
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
BEGIN
    IF p_job_name IS NULL THEN
        RAISE EXCEPTION 'The job name must not be null' USING ERRCODE = '22004';
    END IF;
    IF _sql_autonomy('add_job') THEN
        BEGIN
            RETURN _dblink_add_job(current_user::text, p_job_name);
        EXCEPTION WHEN @dblink.lost@ THEN
            RAISE WARNING 'add_job: no connection through dblink: %', SQLERRM;
        END;
    END IF;
    RETURN CASE WHEN _can_write('add_job') THEN _autonomous_add_job(current_user::text, p_job_name, pg_backend_pid()) END;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.add_step(p_job_id bigint, p_action text) RETURNS bigint
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_step_id bigint;
BEGIN
    IF p_action IS NULL THEN
        RAISE EXCEPTION 'The action of a step must not be null' USING ERRCODE = '22004';
    END IF;
    IF _sql_autonomy('add_step') THEN
        BEGIN
            v_step_id := _dblink_add_step(p_job_id, p_action);
        EXCEPTION WHEN @dblink.lost@ THEN
            RAISE WARNING 'add_step: no connection through dblink: %', SQLERRM;
        END;
        IF v_step_id = -1 THEN
            PERFORM _refuse_foreign('add_step', 'run ' || p_job_id);
        ELSIF v_step_id IS NOT NULL THEN
            RETURN v_step_id;
        END IF;
    END IF;
    RETURN CASE WHEN _can_write('add_step') THEN _autonomous_add_step(p_job_id, p_action) END;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.update_step(p_step_id bigint, p_status text, p_message text) RETURNS void
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_rows bigint;
BEGIN
    IF _sql_autonomy('update_step') THEN
        BEGIN
            v_rows := _dblink_update_step(p_step_id, p_status, p_message);
        EXCEPTION WHEN @dblink.lost@ THEN
            RAISE WARNING 'update_step: no connection through dblink: %', SQLERRM;
        END;
    END IF;
    IF v_rows = -1 THEN
        PERFORM _refuse_foreign('update_step', 'the run of step ' || p_step_id);
    ELSIF v_rows IS NULL AND _can_write('update_step') THEN
        v_rows := _autonomous_update_step(p_step_id, p_status, p_message);
    END IF;
    IF v_rows = 0 THEN
        RAISE WARNING 'update_step: unknown step id: %', coalesce(p_step_id::text, 'null');
    END IF;
END
$omnipg$;

-- Level 1 closes a job as a success; p_function only names the caller in messages.
CREATE OR REPLACE FUNCTION @schema@._end_job(p_function text, p_job_id bigint, p_fail_level integer) RETURNS void
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_rows bigint;
BEGIN
    IF _sql_autonomy(p_function) THEN
        BEGIN
            v_rows := _dblink_fail_job(p_job_id, p_fail_level);
        EXCEPTION WHEN @dblink.lost@ THEN
            RAISE WARNING '%: no connection through dblink: %', p_function, SQLERRM;
        END;
    END IF;
    IF v_rows = -1 THEN
        PERFORM _refuse_foreign(p_function, 'run ' || p_job_id);
    ELSIF v_rows IS NULL AND _can_write(p_function) THEN
        v_rows := _autonomous_fail_job(p_job_id, p_fail_level);
    END IF;
    IF v_rows = 0 THEN
        RAISE WARNING '%: unknown job id: %', p_function, coalesce(p_job_id::text, 'null');
    END IF;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.close_job(p_job_id bigint) RETURNS void
LANGUAGE sql SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT _end_job('close_job', p_job_id, 1)
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.fail_job(p_job_id bigint, p_fail_level integer DEFAULT 3) RETURNS void
LANGUAGE sql SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT _end_job('fail_job', p_job_id, p_fail_level)
$omnipg$;
