DO $omnipg$
DECLARE
    v_log     text;
    v_version integer;
BEGIN
    IF to_regclass('@side.literal@.schema_version') IS NULL THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = '@side.name.literal@' AND c.relname IN ('session', 'run', 'step', 'log_line', 'check_rule')) THEN
            RAISE EXCEPTION 'the side schema % holds foreign objects of the same names', quote_ident('@side.name.literal@') USING ERRCODE = 'OJ001';
        END IF;
        RETURN;
    END IF;
    SELECT log_schema, version INTO v_log, v_version FROM @side@.schema_version;
    IF v_version > @side.version@ THEN
        RAISE EXCEPTION 'the side schema % has version %, newer than % of this script', quote_ident('@side.name.literal@'), v_version, @side.version@
            USING ERRCODE = 'OJ002', HINT = 'Use the script of the package version that installed it, or of a later one.';
    END IF;
    IF v_log <> '@schema.name.literal@' AND to_regclass(format('%I.job_log', v_log)) IS NOT NULL THEN
        RAISE EXCEPTION 'the side schema % belongs to the log in schema %', quote_ident('@side.name.literal@'), quote_ident(v_log)
            USING ERRCODE = 'OJ001';
    END IF;
END
$omnipg$;
