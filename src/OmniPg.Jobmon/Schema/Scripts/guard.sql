-- Refuses before anything is made: the schema of the extension, foreign objects of the same names, a log of a newer version.
DO $omnipg$
DECLARE
    v_found   text;
    v_version text;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
               WHERE e.extname = 'pg_jobmon' AND n.nspname = '@schema.name.literal@') THEN
        RAISE EXCEPTION 'it holds the extension pg_jobmon' USING ERRCODE = 'OJ001';
    END IF;

    SELECT coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), 'unknown') INTO v_version
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.proname = 'omnipg_jobmon_version' AND p.pronargs = 0 AND n.nspname = '@schema.name.literal@';
    IF (CASE WHEN v_version ~ '^[0-9]{1,9}$' THEN v_version::integer > @own.version@ ELSE v_version IS NOT NULL END) THEN
        RAISE EXCEPTION 'the job log in schema % has version %, newer than % of this script', quote_ident('@schema.name.literal@'), v_version, @own.version@
            USING ERRCODE = 'OJ002', HINT = 'Use the script of the package version that installed it, or of a later one.';
    END IF;

    IF v_version IS NULL THEN
        SELECT string_agg(o.name, ', ' ORDER BY o.name) INTO v_found FROM (
            SELECT c.relname::text FROM pg_catalog.pg_class c
            WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = '@schema.name.literal@')
              AND c.relname IN ('job_log', 'job_detail', 'job_check_log', 'job_check_config', 'job_status_text', 'dblink_mapping_jobmon')
            UNION
            SELECT p.proname || '()' FROM pg_catalog.pg_proc p
            WHERE p.pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = '@schema.name.literal@')
              AND p.proname IN ('add_job', 'add_step', 'update_step', 'close_job', 'fail_job', 'cancel_job', 'sql_job', 'sql_step', 'auth',
                  'job_log_clear', 'show_job', 'show_job_like', 'show_job_status', 'show_detail', 'show_running', 'check_job_status')) AS o (name);
        IF v_found IS NOT NULL THEN
            RAISE EXCEPTION 'it holds foreign objects of the same names: %', v_found USING ERRCODE = 'OJ001';
        END IF;
    END IF;
END
$omnipg$;
