CREATE OR REPLACE FUNCTION @schema@.check_job_status(p_history interval, OUT alert_code integer, OUT alert_status text,
    OUT job_name text, OUT alert_text text) RETURNS SETOF record
-- Compiling this statement takes longer than running it.
LANGUAGE plpgsql STABLE SET search_path = @schema@, pg_temp SET jit = off
AS $omnipg$
#variable_conflict use_column
DECLARE
    v_longest interval;
    v_sides   boolean := to_regclass('@side.literal@.check_rule') IS NOT NULL;
BEGIN
    SELECT greatest(max(c.error_threshold), max(c.warn_threshold)) INTO v_longest FROM job_check_config c WHERE c.active;
    IF p_history < v_longest THEN
        RAISE EXCEPTION 'Input argument must be greater than or equal to the longest threshold in job_check_config table';
    END IF;

    IF v_sides AND has_schema_privilege('@side.name.literal@', 'USAGE') THEN
        RETURN QUERY SELECT CASE WHEN q.muted_until IS NULL THEN q.alert_code ELSE 1 END, q.alert_status, q.job_name,
            q.alert_text || coalesce(' (muted until ' || q.muted_until || ')', '') FROM (
@check.with.side@
        ) q;
    ELSE
        RETURN QUERY SELECT q.alert_code, q.alert_status, q.job_name, q.alert_text FROM (
@check.without.side@
        ) q;
    END IF;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 1, 'OK'::text, NULL::text, 'All jobs run successfully'::text;
    END IF;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.check_job_status(OUT alert_code integer, OUT alert_status text, OUT job_name text,
    OUT alert_text text) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT * FROM check_job_status(coalesce(
        (SELECT greatest(max(c.error_threshold), max(c.warn_threshold)) FROM job_check_config c WHERE c.active), '1 week'))
$omnipg$;
