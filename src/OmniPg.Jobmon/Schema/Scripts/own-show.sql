CREATE OR REPLACE FUNCTION @schema@.show_job(p_name text, integer DEFAULT 10) RETURNS SETOF @schema@.job_log
LANGUAGE sql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT j.* FROM job_log j WHERE j.job_name = upper(p_name) ORDER BY j.job_id DESC LIMIT $2
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.show_job_like(p_name text, integer DEFAULT 10) RETURNS SETOF @schema@.job_log
LANGUAGE sql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT j.* FROM job_log j WHERE j.job_name ~* p_name ORDER BY j.job_id DESC LIMIT $2
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.show_job_status(p_status text, integer DEFAULT 10) RETURNS SETOF @schema@.job_log
LANGUAGE sql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT j.* FROM job_log j WHERE j.status = p_status ORDER BY j.job_id DESC LIMIT $2
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.show_job_status(p_name text, p_status text, integer DEFAULT 10) RETURNS SETOF @schema@.job_log
LANGUAGE sql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT j.* FROM job_log j WHERE j.job_name = upper(p_name) AND j.status = p_status ORDER BY j.job_id DESC LIMIT $3
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.show_detail(p_id bigint) RETURNS SETOF @schema@.job_detail
LANGUAGE sql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT d.* FROM job_detail d WHERE d.job_id = p_id ORDER BY d.step_id
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.show_detail(p_name text, integer DEFAULT 1) RETURNS SETOF @schema@.job_detail
LANGUAGE sql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT d.* FROM job_detail d
    WHERE d.job_id IN (SELECT j.job_id FROM job_log j WHERE j.job_name = upper(p_name) ORDER BY j.job_id DESC LIMIT $2)
    ORDER BY d.job_id DESC, d.step_id
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.show_running(integer DEFAULT 10) RETURNS SETOF @schema@.job_log
LANGUAGE plpgsql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
BEGIN
    RETURN QUERY
    SELECT j.* FROM job_log j
    WHERE j.status IS NULL AND j.end_time IS NULL AND _is_live(j.job_id, j.pid, j.start_time, true)
    ORDER BY j.job_id DESC LIMIT $1;
END
$omnipg$;
