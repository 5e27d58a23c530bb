-- The local half of every write: what runs on the other side of dblink, and what a client with an own connection may call.
CREATE OR REPLACE FUNCTION @schema@._autonomous_add_job(p_owner text, p_job_name text, p_pid integer) RETURNS bigint
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_job_id bigint;
BEGIN
    IF p_job_name IS NULL THEN
        RAISE EXCEPTION 'The job name must not be null' USING ERRCODE = '22004';
    END IF;
    INSERT INTO job_log (owner, job_name, start_time, pid)
    VALUES (p_owner, upper(p_job_name), clock_timestamp(), p_pid)
    RETURNING job_id INTO v_job_id;
    RETURN v_job_id;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@._autonomous_add_step(p_job_id bigint, p_action text) RETURNS bigint
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_step_id bigint;
BEGIN
    IF p_action IS NULL THEN
        RAISE EXCEPTION 'The action of a step must not be null' USING ERRCODE = '22004';
    END IF;
    INSERT INTO job_detail (job_id, action, start_time) VALUES (p_job_id, p_action, clock_timestamp())
    RETURNING step_id INTO v_step_id;
    RETURN v_step_id;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@._autonomous_update_step(p_step_id bigint, p_status text, p_message text) RETURNS integer
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_moment timestamp with time zone := clock_timestamp();
    v_rows   integer;
BEGIN
    UPDATE job_detail
    SET end_time = v_moment,
        elapsed_time = greatest(extract(epoch FROM v_moment - start_time), 0)::real,
        status = p_status,
        message = p_message
    WHERE step_id = p_step_id;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@._autonomous_fail_job(p_job_id bigint, p_fail_level integer) RETURNS integer
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_status text;
    v_rows   integer;
BEGIN
    SELECT alert_text INTO v_status FROM job_status_text WHERE alert_code = p_fail_level;
    IF v_status IS NULL AND p_fail_level = 1 THEN
        v_status := 'OK';
    ELSIF v_status IS NULL THEN
        RAISE EXCEPTION 'Unknown fail level: %', coalesce(p_fail_level::text, 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Levels are the alert codes of table job_status_text.';
    END IF;
    UPDATE job_log SET end_time = clock_timestamp(), status = v_status WHERE job_id = p_job_id;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@._autonomous_close_job(p_job_id bigint) RETURNS integer
LANGUAGE sql SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT _autonomous_fail_job(p_job_id, 1)
$omnipg$;

-- Whether a role is the owner of a run, may act as its owner, or manages the log. A run that is not found belongs to nobody, unless row
-- security may be hiding it.
CREATE OR REPLACE FUNCTION @schema@._is_owner(p_role text, p_owner text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT coalesce(p_owner = p_role
        OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = p_owner AND pg_has_role(p_role::name, r.oid, 'MEMBER'))
        OR has_table_privilege(p_role::name, '@schema.literal@.job_log', 'DELETE'), NOT row_security_active('@schema.literal@.job_log'))
$omnipg$;

-- The same writes for somebody who borrows the rights of dblink's mapping: only to runs of his own. -1 where the run is another's. They
-- run behind dblink, because the caller's snapshot may be older than the run.
CREATE OR REPLACE FUNCTION @schema@._lent_add_step(p_role text, p_job_id bigint, p_action text) RETURNS bigint
LANGUAGE sql SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT CASE WHEN NOT _is_owner(p_role, (SELECT owner FROM job_log WHERE job_id = p_job_id)) THEN -1
        ELSE _autonomous_add_step(p_job_id, p_action) END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@._lent_update_step(p_role text, p_step_id bigint, p_status text, p_message text) RETURNS bigint
LANGUAGE sql SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT CASE WHEN NOT _is_owner(p_role, (SELECT j.owner FROM job_detail d JOIN job_log j USING (job_id) WHERE d.step_id = p_step_id)) THEN -1
        ELSE _autonomous_update_step(p_step_id, p_status, p_message)::bigint END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@._lent_fail_job(p_role text, p_job_id bigint, p_fail_level integer) RETURNS bigint
LANGUAGE sql SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT CASE WHEN NOT _is_owner(p_role, (SELECT owner FROM job_log WHERE job_id = p_job_id)) THEN -1
        ELSE _autonomous_fail_job(p_job_id, p_fail_level)::bigint END
$omnipg$;
