-- These two run the caller's statement, so the search_path stays the caller's and every name here is qualified.
CREATE OR REPLACE FUNCTION @schema@.sql_job(p_job_name text, p_sql text) RETURNS text
LANGUAGE plpgsql
AS $omnipg$
DECLARE
    v_class   integer := pg_catalog.hashtext('sql_log');
    v_keys    integer[];
    v_held    integer[] := '{}';
    v_key     integer;
    v_job_id  bigint;
    v_step_id bigint;
    v_rows    bigint;
    v_error   text;
BEGIN
    v_job_id := @schema@.add_job(p_job_name);

    -- The name as typed is the original's key; the upper-cased name makes differently typed calls exclude each other. Sorted, so that
    -- two sessions never take them in opposite order.
    SELECT pg_catalog.array_agg(DISTINCT k ORDER BY k) INTO v_keys
    FROM pg_catalog.unnest(ARRAY[pg_catalog.hashtext(p_job_name), pg_catalog.hashtext(pg_catalog.upper(p_job_name))]) AS k;
    FOREACH v_key IN ARRAY v_keys LOOP
        IF NOT pg_catalog.pg_try_advisory_lock(v_class, v_key) THEN
            PERFORM pg_catalog.pg_advisory_unlock(v_class, h) FROM pg_catalog.unnest(v_held) AS h;
            v_step_id := @schema@.add_step(v_job_id, 'Obtaining advisory lock for job: ' || p_job_name);
            PERFORM @schema@.update_step(v_step_id, 'OK', 'Found concurrent job. Exiting gracefully');
            PERFORM @schema@.close_job(v_job_id);
            RETURN 'Concurrent job found. Obtaining advisory lock FAILED for job: ' || p_job_name;
        END IF;
        v_held := v_held || v_key;
    END LOOP;

    -- Outside the guarded block: without dblink the step must survive the rollback of what failed.
    v_step_id := @schema@.add_step(v_job_id, 'Running sql: ' || pg_catalog.quote_literal(p_sql));
    BEGIN
        EXECUTE p_sql;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
    EXCEPTION
        WHEN query_canceled THEN
            -- A session lock outlives the aborted transaction, so it is given back before the cancellation goes on.
            PERFORM pg_catalog.pg_advisory_unlock(v_class, h) FROM pg_catalog.unnest(v_held) AS h;
            RAISE;
        WHEN OTHERS THEN
            v_error := coalesce(SQLERRM, 'unknown');
    END;

    IF v_error IS NULL THEN
        PERFORM @schema@.update_step(v_step_id, 'OK', 'Rows affected: ' || v_rows);
        PERFORM @schema@.close_job(v_job_id);
    ELSE
        PERFORM @schema@.update_step(v_step_id, 'CRITICAL', 'ERROR: ' || v_error);
        PERFORM @schema@.fail_job(v_job_id);
    END IF;
    PERFORM pg_catalog.pg_advisory_unlock(v_class, h) FROM pg_catalog.unnest(v_held) AS h;
    RETURN CASE WHEN v_error IS NULL THEN 'Job logged with job id: ' || v_job_id
        ELSE 'Job ID ' || v_job_id || ' failed. See job_detail table for more details' END;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.sql_step(p_job_id bigint, p_action text, p_sql text) RETURNS boolean
LANGUAGE plpgsql
AS $omnipg$
DECLARE
    v_step_id bigint;
    v_rows    bigint;
BEGIN
    v_step_id := @schema@.add_step(p_job_id, p_action);
    BEGIN
        EXECUTE p_sql;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
    EXCEPTION WHEN OTHERS THEN
        PERFORM @schema@.update_step(v_step_id, 'CRITICAL', 'ERROR: ' || coalesce(SQLERRM, 'unknown'));
        RETURN false;
    END;
    PERFORM @schema@.update_step(v_step_id, 'OK', 'Rows affected: ' || v_rows);
    RETURN true;
END
$omnipg$;
