-- dblink connection string. Values are quoted, so that names and passwords may hold spaces and quotes. Without a mapping it points
-- at this server's own port; the socket directory is readable for few roles, so failing to read it is not an error.
CREATE OR REPLACE FUNCTION @schema@._dblink_conninfo(p_with_password boolean) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_map  record;
    v_host text;
    v_out  text;
BEGIN
    IF (SELECT count(*) FROM dblink_mapping_jobmon) > 1 THEN
        RAISE EXCEPTION 'dblink_mapping_jobmon table can only have a single entry';
    END IF;
    SELECT m.* INTO v_map FROM (SELECT) AS one LEFT JOIN dblink_mapping_jobmon m ON true;

    v_host := v_map.host;
    IF v_host IS NULL AND v_map.hostaddr IS NULL THEN
        BEGIN
            v_host := nullif(btrim(split_part(current_setting('unix_socket_directories'), ',', 1), ' "'), '');
        EXCEPTION WHEN insufficient_privilege THEN
            v_host := NULL;
        END;
    END IF;

    SELECT string_agg(p.key || '=''' || replace(replace(p.value, E'\\', E'\\\\'), '''', E'\\''') || '''', ' ' ORDER BY p.pos) INTO v_out
    FROM (VALUES
        (1, 'port', coalesce(v_map.port, current_setting('port'))), (2, 'dbname', current_database()::text),
        (3, 'user', v_map.username), (4, 'password', CASE WHEN p_with_password THEN v_map.pwd END),
        (5, 'host', v_host), (6, 'hostaddr', v_map.hostaddr)) AS p (pos, key, value)
    WHERE p.value IS NOT NULL;
    RETURN v_out;
END
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@.auth() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT _dblink_conninfo(false)
$omnipg$;

-- Runs one statement of the fixed set below in a connection of its own. Not for callers: only for the typed functions that follow.
CREATE OR REPLACE FUNCTION @schema@._dblink_run(p_statement text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_schema text;
    v_result bigint;
BEGIN
    SELECT n.nspname INTO v_schema
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'dblink';
    IF v_schema IS NULL THEN
        RAISE EXCEPTION 'Extension dblink is not installed' USING ERRCODE = 'undefined_function';
    END IF;
    EXECUTE format('SELECT r.result FROM %I.dblink($1, $2, true) AS r (result bigint)', v_schema)
        INTO v_result USING _dblink_conninfo(true), p_statement;
    RETURN v_result;
END
$omnipg$;

-- These lend the rights of the mapping to whoever may execute them, so they say themselves for whom they work: the login of the session,
-- which no caller can choose. A run belongs to the role that the session acts as, if the login may act as that role, else to the login.
DROP FUNCTION IF EXISTS @schema@._dblink_add_job(text, text, integer);
CREATE OR REPLACE FUNCTION @schema@._dblink_add_job(p_acting_as text, p_job_name text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT _dblink_run(format('SELECT %I._autonomous_add_job(%L, %L, %s)', current_schema(),
        coalesce((SELECT r.rolname FROM pg_roles r WHERE r.rolname = p_acting_as AND pg_has_role(session_user, r.oid, 'MEMBER')), session_user),
        p_job_name, pg_backend_pid()))
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@._dblink_add_step(p_job_id bigint, p_action text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT _dblink_run(format('SELECT %I._lent_add_step(%L, %L, %L)', current_schema(), session_user, p_job_id, p_action))
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@._dblink_update_step(p_step_id bigint, p_status text, p_message text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT _dblink_run(format('SELECT %I._lent_update_step(%L, %L, %L, %L)', current_schema(), session_user, p_step_id, p_status, p_message))
$omnipg$;

CREATE OR REPLACE FUNCTION @schema@._dblink_fail_job(p_job_id bigint, p_fail_level integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
    SELECT _dblink_run(format('SELECT %I._lent_fail_job(%L, %L, %L)', current_schema(), session_user, p_job_id, p_fail_level))
$omnipg$;

-- Whether a connection through dblink reaches this very server and database.
CREATE OR REPLACE FUNCTION @schema@._dblink_probe() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_here bigint;
BEGIN
    SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint # d.oid::bigint INTO v_here
    FROM pg_database d WHERE d.datname = current_database();
    RETURN v_here = _dblink_run('SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint # d.oid::bigint '
        'FROM pg_database d WHERE d.datname = current_database()');
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END
$omnipg$;

-- Probes once for each session and remembers the answer in a setting of the session; says once for each function that it logs
-- inside the caller's transaction.
CREATE OR REPLACE FUNCTION @schema@._sql_autonomy(p_function text) RETURNS boolean
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_setting text := 'omnipg_jobmon.autonomy_' || (SELECT oid FROM pg_namespace WHERE nspname = current_schema());
    v_state   text := coalesce(current_setting(v_setting, true), '');
BEGIN
    IF v_state = '' THEN
        v_state := CASE WHEN _dblink_probe() THEN 'dblink' ELSE 'none' END;
        PERFORM set_config(v_setting, v_state, false);
    END IF;
    IF v_state = 'dblink' THEN
        RETURN true;
    END IF;
    IF NOT p_function = ANY (string_to_array(v_state, ',')) THEN
        RAISE WARNING '% writes inside the transaction of its caller, because no connection through dblink is possible', p_function
            USING HINT = 'A rollback removes what was logged. Install dblink and fill dblink_mapping_jobmon.';
        PERFORM set_config(v_setting, v_state || ',' || p_function, false);
    END IF;
    RETURN false;
END
$omnipg$;

-- Without dblink nothing can be written in a read-only transaction; the caller's work must go on all the same.
CREATE OR REPLACE FUNCTION @schema@._can_write(p_function text) RETURNS boolean
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
BEGIN
    IF current_setting('transaction_read_only') = 'off' THEN
        RETURN true;
    END IF;
    RAISE WARNING '% logs nothing in a read-only transaction, because no connection through dblink is possible', p_function;
    RETURN false;
END
$omnipg$;
