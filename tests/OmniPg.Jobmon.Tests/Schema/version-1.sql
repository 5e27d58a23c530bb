BEGIN;
SET LOCAL standard_conforming_strings = on;
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('omnipg_jobmon.install', 0));
-- Refuses before anything is made: the schema of the extension, foreign objects of the same names, a log of a newer version.
DO $omnipg$
DECLARE
    v_found   text;
    v_version text;
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
               WHERE e.extname = 'pg_jobmon' AND n.nspname = 'jobmon') THEN
        RAISE EXCEPTION 'it holds the extension pg_jobmon' USING ERRCODE = 'OJ001';
    END IF;

    SELECT coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), 'unknown') INTO v_version
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.proname = 'omnipg_jobmon_version' AND p.pronargs = 0 AND n.nspname = 'jobmon';
    IF (CASE WHEN v_version ~ '^[0-9]{1,9}$' THEN v_version::integer > 1 ELSE v_version IS NOT NULL END) THEN
        RAISE EXCEPTION 'the job log in schema % has version %, newer than % of this script', quote_ident('jobmon'), v_version, 1
            USING ERRCODE = 'OJ002', HINT = 'Use the script of the package version that installed it, or of a later one.';
    END IF;

    IF v_version IS NULL THEN
        SELECT string_agg(o.name, ', ' ORDER BY o.name) INTO v_found FROM (
            SELECT c.relname::text FROM pg_catalog.pg_class c
            WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'jobmon')
              AND c.relname IN ('job_log', 'job_detail', 'job_check_log', 'job_check_config', 'job_status_text', 'dblink_mapping_jobmon')
            UNION
            SELECT p.proname || '()' FROM pg_catalog.pg_proc p
            WHERE p.pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'jobmon')
              AND p.proname IN ('add_job', 'add_step', 'update_step', 'close_job', 'fail_job', 'cancel_job', 'sql_job', 'sql_step', 'auth',
                  'job_log_clear', 'show_job', 'show_job_like', 'show_job_status', 'show_detail', 'show_running', 'check_job_status')) AS o (name);
        IF v_found IS NOT NULL THEN
            RAISE EXCEPTION 'it holds foreign objects of the same names: %', v_found USING ERRCODE = 'OJ001';
        END IF;
    END IF;
END
$omnipg$;
DO $omnipg$
BEGIN
    -- CREATE SCHEMA IF NOT EXISTS asks for the right to create one even where it exists already.
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'jobmon') THEN
        CREATE SCHEMA "jobmon";
    END IF;
END
$omnipg$;
CREATE TABLE IF NOT EXISTS "jobmon".job_log (
    job_id     bigint                   NOT NULL,
    owner      text                     NOT NULL,
    job_name   text                     NOT NULL,
    start_time timestamp with time zone NOT NULL,
    end_time   timestamp with time zone,
    status     text,
    pid        integer                  NOT NULL,
    CONSTRAINT job_log_job_id_pkey PRIMARY KEY (job_id)
);
CREATE SEQUENCE IF NOT EXISTS "jobmon".job_log_job_id_seq OWNED BY "jobmon".job_log.job_id;
ALTER TABLE "jobmon".job_log ALTER COLUMN job_id SET DEFAULT nextval('"jobmon".job_log_job_id_seq');
CREATE INDEX IF NOT EXISTS job_log_job_name_idx ON "jobmon".job_log (job_name);
CREATE INDEX IF NOT EXISTS job_log_start_time_idx ON "jobmon".job_log (start_time);
CREATE INDEX IF NOT EXISTS job_log_status_idx ON "jobmon".job_log (status);
CREATE INDEX IF NOT EXISTS job_log_pid_idx ON "jobmon".job_log (pid);
-- Not in the original: the check looks up the newest run of every configured name.
CREATE INDEX IF NOT EXISTS job_log_job_name_start_time_idx ON "jobmon".job_log (job_name, start_time DESC);

CREATE TABLE IF NOT EXISTS "jobmon".job_detail (
    job_id       bigint                   NOT NULL,
    step_id      bigint                   NOT NULL,
    action       text                     NOT NULL,
    start_time   timestamp with time zone NOT NULL,
    end_time     timestamp with time zone,
    elapsed_time real,
    status       text,
    message      text,
    CONSTRAINT job_detail_step_id_pkey PRIMARY KEY (step_id),
    CONSTRAINT job_detail_job_id_fkey FOREIGN KEY (job_id) REFERENCES "jobmon".job_log (job_id) ON DELETE CASCADE
);
CREATE SEQUENCE IF NOT EXISTS "jobmon".job_detail_step_id_seq OWNED BY "jobmon".job_detail.step_id;
ALTER TABLE "jobmon".job_detail ALTER COLUMN step_id SET DEFAULT nextval('"jobmon".job_detail_step_id_seq');
CREATE INDEX IF NOT EXISTS job_detail_job_id_idx ON "jobmon".job_detail (job_id);

CREATE TABLE IF NOT EXISTS "jobmon".job_check_log (
    job_id     bigint  NOT NULL,
    job_name   text    NOT NULL,
    alert_code integer NOT NULL DEFAULT 3
);
-- Not in the original: the triggers look rows up by name and by job.
CREATE INDEX IF NOT EXISTS job_check_log_job_name_idx ON "jobmon".job_check_log (job_name);
CREATE INDEX IF NOT EXISTS job_check_log_job_id_idx ON "jobmon".job_check_log (job_id);

CREATE TABLE IF NOT EXISTS "jobmon".job_check_config (
    job_name        text     NOT NULL,
    warn_threshold  interval NOT NULL,
    error_threshold interval NOT NULL,
    active          boolean  NOT NULL DEFAULT false,
    sensitivity     smallint NOT NULL DEFAULT 0,
    escalate        integer,
    CONSTRAINT job_check_config_job_name_pkey PRIMARY KEY (job_name)
);

CREATE TABLE IF NOT EXISTS "jobmon".job_status_text (
    alert_code integer NOT NULL,
    alert_text text    NOT NULL,
    CONSTRAINT job_status_text_alert_code_pkey PRIMARY KEY (alert_code)
);

CREATE TABLE IF NOT EXISTS "jobmon".dblink_mapping_jobmon (
    username text,
    port     text,
    pwd      text,
    host     text,
    hostaddr text
);
REVOKE ALL ON "jobmon".dblink_mapping_jobmon FROM PUBLIC;

-- Only on the first installation: texts that an administrator edited or removed stay as they are.
INSERT INTO "jobmon".job_status_text (alert_code, alert_text)
SELECT d.code, d.label
FROM (VALUES (1, 'OK'), (2, 'WARNING'), (3, 'CRITICAL')) AS d (code, label)
WHERE NOT EXISTS (SELECT FROM "jobmon".job_status_text);

-- Whether an unfinished run is still at work. With p_busy a backend without a side row must also be other than idle.
CREATE OR REPLACE FUNCTION "jobmon"._is_live(p_job_id bigint, p_pid integer, p_start_time timestamp with time zone, p_busy boolean)
RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = "jobmon", pg_temp
AS $omnipg$
DECLARE
    v_live boolean;
BEGIN
    IF to_regclass('"omnipg_jobmon".session') IS NOT NULL THEN
        SELECT "omnipg_jobmon".session_is_live(r.session_id) INTO v_live
        FROM "omnipg_jobmon".run r JOIN "omnipg_jobmon".session s USING (session_id) WHERE r.job_id = p_job_id;
        IF v_live IS NOT NULL THEN
            RETURN v_live;
        END IF;
    END IF;
    -- backend_start later than the run: the pid was given to another session. NULL: this role may not see it.
    RETURN EXISTS (SELECT FROM pg_stat_activity a
        WHERE a.pid = p_pid AND (a.backend_start IS NULL OR a.backend_start <= p_start_time)
          AND (NOT p_busy OR a.state <> 'idle'));
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".job_monitor() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "jobmon", pg_temp
AS $omnipg$
DECLARE
    v_code integer;
BEGIN
    SELECT t.alert_code INTO v_code
    FROM job_status_text t WHERE t.alert_text = NEW.status ORDER BY t.alert_code LIMIT 1;

    IF v_code IS NULL THEN
        RETURN NULL;
    ELSIF v_code = 1 THEN
        DELETE FROM job_check_log WHERE job_name = NEW.job_name;
        RETURN NULL;
    END IF;

    -- One row for each run: a corrected outcome corrects the row, and never lowers what an escalation raised.
    UPDATE job_check_log l
    SET alert_code = CASE WHEN c.escalate IS NULL THEN v_code ELSE greatest(l.alert_code, v_code) END
    FROM (SELECT max(escalate) AS escalate FROM job_check_config WHERE job_name = NEW.job_name) c
    WHERE l.job_id = NEW.job_id;
    IF NOT FOUND THEN
        INSERT INTO job_check_log (job_id, job_name, alert_code) VALUES (NEW.job_id, NEW.job_name, v_code);
    END IF;
    RETURN NULL;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".job_check_log_escalate_trig() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "jobmon", pg_temp
AS $omnipg$
DECLARE
    v_escalate integer;
    v_logged   integer;
    v_highest  integer;
    v_moment   timestamp with time zone := clock_timestamp();
BEGIN
    SELECT escalate INTO v_escalate FROM job_check_config WHERE job_name = NEW.job_name;
    IF v_escalate IS NULL THEN
        RETURN NEW;
    END IF;

    SELECT l.alert_code, count(*) INTO v_highest, v_logged
    FROM job_check_log l WHERE l.job_name = NEW.job_name
    GROUP BY l.alert_code ORDER BY l.alert_code DESC LIMIT 1;

    -- greatest() ignores NULL: without an earlier row the code stays, and NULL + 1 below escalates nothing.
    NEW.alert_code := greatest(NEW.alert_code, v_highest);

    IF v_logged + 1 >= v_escalate AND NEW.alert_code < (SELECT max(alert_code) FROM job_status_text) THEN
        NEW.alert_code := NEW.alert_code + 1;
        INSERT INTO job_detail (job_id, action, start_time, end_time, elapsed_time, status, message)
        SELECT j.job_id, 'ALERT ESCALATION', v_moment, v_moment, 0, 'ESCALATE',
            format('Job has alerted at level %s in excess of the escalate value configured for this job (%s). '
                || 'Alert code value has been escaleted to: %s', NEW.alert_code - 1, v_escalate, NEW.alert_code)
        FROM job_log j WHERE j.job_id = NEW.job_id;
        UPDATE job_log SET status = 'ESCALATED' WHERE job_id = NEW.job_id;
    END IF;
    RETURN NEW;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".dblink_limit_trig() RETURNS trigger
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
AS $omnipg$
BEGIN
    IF (SELECT count(*) FROM dblink_mapping_jobmon) > 1 THEN
        RAISE EXCEPTION 'Only a single row may exist in this table';
    END IF;
    RETURN NULL;
END
$omnipg$;

DROP TRIGGER IF EXISTS trg_job_monitor ON "jobmon".job_log;
CREATE TRIGGER trg_job_monitor AFTER UPDATE ON "jobmon".job_log
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION "jobmon".job_monitor();

DROP TRIGGER IF EXISTS job_check_log_escalate_trig ON "jobmon".job_check_log;
CREATE TRIGGER job_check_log_escalate_trig BEFORE INSERT ON "jobmon".job_check_log
    FOR EACH ROW EXECUTE FUNCTION "jobmon".job_check_log_escalate_trig();

DROP TRIGGER IF EXISTS dblink_limit_trig ON "jobmon".dblink_mapping_jobmon;
CREATE TRIGGER dblink_limit_trig AFTER INSERT ON "jobmon".dblink_mapping_jobmon
    FOR EACH ROW EXECUTE FUNCTION "jobmon".dblink_limit_trig();

-- The local half of every write: what runs on the other side of dblink, and what a client with an own connection may call.
CREATE OR REPLACE FUNCTION "jobmon"._autonomous_add_job(p_owner text, p_job_name text, p_pid integer) RETURNS bigint
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
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

CREATE OR REPLACE FUNCTION "jobmon"._autonomous_add_step(p_job_id bigint, p_action text) RETURNS bigint
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
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

CREATE OR REPLACE FUNCTION "jobmon"._autonomous_update_step(p_step_id bigint, p_status text, p_message text) RETURNS integer
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
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

CREATE OR REPLACE FUNCTION "jobmon"._autonomous_fail_job(p_job_id bigint, p_fail_level integer) RETURNS integer
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
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

CREATE OR REPLACE FUNCTION "jobmon"._autonomous_close_job(p_job_id bigint) RETURNS integer
LANGUAGE sql SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT _autonomous_fail_job(p_job_id, 1)
$omnipg$;

-- dblink connection string. Values are quoted, so that names and passwords may hold spaces and quotes. Without a mapping it points
-- at this server's own port; the socket directory is readable for few roles, so failing to read it is not an error.
CREATE OR REPLACE FUNCTION "jobmon"._dblink_conninfo(p_with_password boolean) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = "jobmon", pg_temp
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
REVOKE ALL ON FUNCTION "jobmon"._dblink_conninfo(boolean) FROM PUBLIC;

CREATE OR REPLACE FUNCTION "jobmon".auth() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT _dblink_conninfo(false)
$omnipg$;

-- Runs one statement of the fixed set below in a connection of its own. Not for callers: only for the typed functions that follow.
CREATE OR REPLACE FUNCTION "jobmon"._dblink_run(p_statement text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "jobmon", pg_temp
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
REVOKE ALL ON FUNCTION "jobmon"._dblink_run(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION "jobmon"._dblink_add_job(p_owner text, p_job_name text, p_pid integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT _dblink_run(format('SELECT %I._autonomous_add_job(%L, %L, %s)', current_schema(), p_owner, p_job_name, p_pid))
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon"._dblink_add_step(p_job_id bigint, p_action text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT _dblink_run(format('SELECT %I._autonomous_add_step(%L, %L)', current_schema(), p_job_id, p_action))
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon"._dblink_update_step(p_step_id bigint, p_status text, p_message text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT _dblink_run(format('SELECT %I._autonomous_update_step(%L, %L, %L)', current_schema(), p_step_id, p_status, p_message))
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon"._dblink_fail_job(p_job_id bigint, p_fail_level integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT _dblink_run(format('SELECT %I._autonomous_fail_job(%L, %L)', current_schema(), p_job_id, p_fail_level))
$omnipg$;

-- Whether a connection through dblink reaches this very server and database.
CREATE OR REPLACE FUNCTION "jobmon"._dblink_probe() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "jobmon", pg_temp
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
CREATE OR REPLACE FUNCTION "jobmon"._sql_autonomy(p_function text) RETURNS boolean
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
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
CREATE OR REPLACE FUNCTION "jobmon"._can_write(p_function text) RETURNS boolean
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
AS $omnipg$
BEGIN
    IF current_setting('transaction_read_only') = 'off' THEN
        RETURN true;
    END IF;
    RAISE WARNING '% logs nothing in a read-only transaction, because no connection through dblink is possible', p_function;
    RETURN false;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".add_job(p_job_name text) RETURNS bigint
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
AS $omnipg$
BEGIN
    IF p_job_name IS NULL THEN
        RAISE EXCEPTION 'The job name must not be null' USING ERRCODE = '22004';
    END IF;
    IF _sql_autonomy('add_job') THEN
        BEGIN
            RETURN _dblink_add_job(current_user::text, p_job_name, pg_backend_pid());
        EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection OR connection_exception OR connection_does_not_exist OR connection_failure OR SQLSTATE '2F003' OR undefined_function OR invalid_schema_name OR insufficient_privilege THEN
            RAISE WARNING 'add_job: no connection through dblink: %', SQLERRM;
        END;
    END IF;
    RETURN CASE WHEN _can_write('add_job') THEN _autonomous_add_job(current_user::text, p_job_name, pg_backend_pid()) END;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".add_step(p_job_id bigint, p_action text) RETURNS bigint
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
AS $omnipg$
BEGIN
    IF p_action IS NULL THEN
        RAISE EXCEPTION 'The action of a step must not be null' USING ERRCODE = '22004';
    END IF;
    IF _sql_autonomy('add_step') THEN
        BEGIN
            RETURN _dblink_add_step(p_job_id, p_action);
        EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection OR connection_exception OR connection_does_not_exist OR connection_failure OR SQLSTATE '2F003' OR undefined_function OR invalid_schema_name OR insufficient_privilege THEN
            RAISE WARNING 'add_step: no connection through dblink: %', SQLERRM;
        END;
    END IF;
    RETURN CASE WHEN _can_write('add_step') THEN _autonomous_add_step(p_job_id, p_action) END;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".update_step(p_step_id bigint, p_status text, p_message text) RETURNS void
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
AS $omnipg$
DECLARE
    v_rows bigint;
BEGIN
    IF _sql_autonomy('update_step') THEN
        BEGIN
            v_rows := _dblink_update_step(p_step_id, p_status, p_message);
        EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection OR connection_exception OR connection_does_not_exist OR connection_failure OR SQLSTATE '2F003' OR undefined_function OR invalid_schema_name OR insufficient_privilege THEN
            RAISE WARNING 'update_step: no connection through dblink: %', SQLERRM;
        END;
    END IF;
    IF v_rows IS NULL AND _can_write('update_step') THEN
        v_rows := _autonomous_update_step(p_step_id, p_status, p_message);
    END IF;
    IF v_rows = 0 THEN
        RAISE WARNING 'update_step: unknown step id: %', coalesce(p_step_id::text, 'null');
    END IF;
END
$omnipg$;

-- Level 1 closes a job as a success; p_function only names the caller in messages.
CREATE OR REPLACE FUNCTION "jobmon"._end_job(p_function text, p_job_id bigint, p_fail_level integer) RETURNS void
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
AS $omnipg$
DECLARE
    v_rows bigint;
BEGIN
    IF _sql_autonomy(p_function) THEN
        BEGIN
            v_rows := _dblink_fail_job(p_job_id, p_fail_level);
        EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection OR connection_exception OR connection_does_not_exist OR connection_failure OR SQLSTATE '2F003' OR undefined_function OR invalid_schema_name OR insufficient_privilege THEN
            RAISE WARNING '%: no connection through dblink: %', p_function, SQLERRM;
        END;
    END IF;
    IF v_rows IS NULL AND _can_write(p_function) THEN
        v_rows := _autonomous_fail_job(p_job_id, p_fail_level);
    END IF;
    IF v_rows = 0 THEN
        RAISE WARNING '%: unknown job id: %', p_function, coalesce(p_job_id::text, 'null');
    END IF;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".close_job(p_job_id bigint) RETURNS void
LANGUAGE sql SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT _end_job('close_job', p_job_id, 1)
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".fail_job(p_job_id bigint, p_fail_level integer DEFAULT 3) RETURNS void
LANGUAGE sql SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT _end_job('fail_job', p_job_id, p_fail_level)
$omnipg$;

-- These two run the caller's statement, so the search_path stays the caller's and every name here is qualified.
CREATE OR REPLACE FUNCTION "jobmon".sql_job(p_job_name text, p_sql text) RETURNS text
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
    v_job_id := "jobmon".add_job(p_job_name);

    -- The name as typed is the original's key; the upper-cased name makes differently typed calls exclude each other. Sorted, so that
    -- two sessions never take them in opposite order.
    SELECT pg_catalog.array_agg(DISTINCT k ORDER BY k) INTO v_keys
    FROM pg_catalog.unnest(ARRAY[pg_catalog.hashtext(p_job_name), pg_catalog.hashtext(pg_catalog.upper(p_job_name))]) AS k;
    FOREACH v_key IN ARRAY v_keys LOOP
        IF NOT pg_catalog.pg_try_advisory_lock(v_class, v_key) THEN
            PERFORM pg_catalog.pg_advisory_unlock(v_class, h) FROM pg_catalog.unnest(v_held) AS h;
            v_step_id := "jobmon".add_step(v_job_id, 'Obtaining advisory lock for job: ' || p_job_name);
            PERFORM "jobmon".update_step(v_step_id, 'OK', 'Found concurrent job. Exiting gracefully');
            PERFORM "jobmon".close_job(v_job_id);
            RETURN 'Concurrent job found. Obtaining advisory lock FAILED for job: ' || p_job_name;
        END IF;
        v_held := v_held || v_key;
    END LOOP;

    -- Outside the guarded block: without dblink the step must survive the rollback of what failed.
    v_step_id := "jobmon".add_step(v_job_id, 'Running sql: ' || pg_catalog.quote_literal(p_sql));
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
        PERFORM "jobmon".update_step(v_step_id, 'OK', 'Rows affected: ' || v_rows);
        PERFORM "jobmon".close_job(v_job_id);
    ELSE
        PERFORM "jobmon".update_step(v_step_id, 'CRITICAL', 'ERROR: ' || v_error);
        PERFORM "jobmon".fail_job(v_job_id);
    END IF;
    PERFORM pg_catalog.pg_advisory_unlock(v_class, h) FROM pg_catalog.unnest(v_held) AS h;
    RETURN CASE WHEN v_error IS NULL THEN 'Job logged with job id: ' || v_job_id
        ELSE 'Job ID ' || v_job_id || ' failed. See job_detail table for more details' END;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".sql_step(p_job_id bigint, p_action text, p_sql text) RETURNS boolean
LANGUAGE plpgsql
AS $omnipg$
DECLARE
    v_step_id bigint;
    v_rows    bigint;
BEGIN
    v_step_id := "jobmon".add_step(p_job_id, p_action);
    BEGIN
        EXECUTE p_sql;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
    EXCEPTION WHEN OTHERS THEN
        PERFORM "jobmon".update_step(v_step_id, 'CRITICAL', 'ERROR: ' || coalesce(SQLERRM, 'unknown'));
        RETURN false;
    END;
    PERFORM "jobmon".update_step(v_step_id, 'OK', 'Rows affected: ' || v_rows);
    RETURN true;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".show_job(p_name text, integer DEFAULT 10) RETURNS SETOF "jobmon".job_log
LANGUAGE sql STABLE SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT j.* FROM job_log j WHERE j.job_name = upper(p_name) ORDER BY j.job_id DESC LIMIT $2
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".show_job_like(p_name text, integer DEFAULT 10) RETURNS SETOF "jobmon".job_log
LANGUAGE sql STABLE SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT j.* FROM job_log j WHERE j.job_name ~* p_name ORDER BY j.job_id DESC LIMIT $2
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".show_job_status(p_status text, integer DEFAULT 10) RETURNS SETOF "jobmon".job_log
LANGUAGE sql STABLE SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT j.* FROM job_log j WHERE j.status = p_status ORDER BY j.job_id DESC LIMIT $2
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".show_job_status(p_name text, p_status text, integer DEFAULT 10) RETURNS SETOF "jobmon".job_log
LANGUAGE sql STABLE SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT j.* FROM job_log j WHERE j.job_name = upper(p_name) AND j.status = p_status ORDER BY j.job_id DESC LIMIT $3
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".show_detail(p_id bigint) RETURNS SETOF "jobmon".job_detail
LANGUAGE sql STABLE SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT d.* FROM job_detail d WHERE d.job_id = p_id ORDER BY d.step_id
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".show_detail(p_name text, integer DEFAULT 1) RETURNS SETOF "jobmon".job_detail
LANGUAGE sql STABLE SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT d.* FROM job_detail d
    WHERE d.job_id IN (SELECT j.job_id FROM job_log j WHERE j.job_name = upper(p_name) ORDER BY j.job_id DESC LIMIT $2)
    ORDER BY d.job_id DESC, d.step_id
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".show_running(integer DEFAULT 10) RETURNS SETOF "jobmon".job_log
LANGUAGE plpgsql STABLE SET search_path = "jobmon", pg_temp
AS $omnipg$
BEGIN
    RETURN QUERY
    SELECT j.* FROM job_log j
    WHERE j.status IS NULL AND j.end_time IS NULL AND _is_live(j.job_id, j.pid, j.start_time, true)
    ORDER BY j.job_id DESC LIMIT $1;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".check_job_status(p_history interval, OUT alert_code integer, OUT alert_status text,
    OUT job_name text, OUT alert_text text) RETURNS SETOF record
-- Compiling this statement takes longer than running it.
LANGUAGE plpgsql STABLE SET search_path = "jobmon", pg_temp SET jit = off
AS $omnipg$
#variable_conflict use_column
DECLARE
    v_longest interval;
    v_sides   boolean := to_regclass('"omnipg_jobmon".check_rule') IS NOT NULL;
BEGIN
    SELECT greatest(max(c.error_threshold), max(c.warn_threshold)) INTO v_longest FROM job_check_config c WHERE c.active;
    IF p_history < v_longest THEN
        RAISE EXCEPTION 'Input argument must be greater than or equal to the longest threshold in job_check_config table';
    END IF;

    IF v_sides AND has_schema_privilege('omnipg_jobmon', 'USAGE') THEN
        RETURN QUERY SELECT CASE WHEN q.muted_until IS NULL THEN q.alert_code ELSE 1 END, q.alert_status, q.job_name,
            q.alert_text || coalesce(' (muted until ' || q.muted_until || ')', '') FROM (
WITH cfg AS MATERIALIZED (
    SELECT c.job_name, c.warn_threshold, c.error_threshold, c.sensitivity FROM "jobmon".job_check_config c WHERE c.active
), locks AS MATERIALIZED (
    -- Column waitstart came with 14; by way of the whole row the same text runs on 13.
    SELECT l.pid, l.granted, l.locktype, l.database, l.classid, l.objid, l.objsubid,
        CASE WHEN NOT l.granted THEN (to_jsonb(l) ->> 'waitstart')::timestamptz END AS waitstart
    FROM pg_catalog.pg_locks l
    WHERE NOT l.granted OR l.locktype = 'advisory'
), open_runs AS MATERIALIZED (
    -- Every unfinished run, found through the index on status, and whether its process is seen. A backend younger than the run has
    -- inherited the pid; backend_start is NULL where this role may not see it, and then presence of the pid is all there is to know.
    SELECT j.job_id, j.job_name, j.start_time, j.pid, a.pid IS NOT NULL AND a.backend_start IS NULL AS unverified,
        a.pid IS NOT NULL AND (a.backend_start IS NULL OR a.backend_start <= j.start_time) AS live, false AS known,
        NULL::text AS last_seen, NULL::integer AS work_pid
    FROM "jobmon".job_log j LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = j.pid
    WHERE j.status IS NULL AND j.end_time IS NULL
        AND NOT EXISTS (SELECT FROM "omnipg_jobmon".run r JOIN "omnipg_jobmon".session s ON s.session_id = r.session_id WHERE r.job_id = j.job_id)
    UNION ALL
    -- Blocking concerns the attached backend, if it still is the one that was attached.
    SELECT j.job_id, j.job_name, j.start_time, NULL::integer, false,
        s.heartbeat_at > now() - interval '60 seconds' OR EXISTS (SELECT FROM locks l
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
              AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
              AND l.classid = (hashtext('omnipg_jobmon')::bigint & 4294967295)::oid
              AND l.objid = (s.lock_key::bigint & 4294967295)::oid),
        true, format('%s on %s (process %s) last seen %s', s.client_name, s.host, s.os_pid, s.heartbeat_at), w.pid
    FROM "jobmon".job_log j JOIN "omnipg_jobmon".run r ON r.job_id = j.job_id JOIN "omnipg_jobmon".session s ON s.session_id = r.session_id
    LEFT JOIN pg_catalog.pg_stat_activity w ON w.pid = r.work_pid
        AND (w.backend_start IS NULL OR r.work_backend_start IS NULL OR w.backend_start = r.work_backend_start)
    WHERE j.status IS NULL AND j.end_time IS NULL
), missing AS (
    SELECT c.job_name, n.max_start, CASE WHEN now() - n.max_start <= c.error_threshold THEN 2 ELSE 3 END AS code
    FROM cfg c
    LEFT JOIN LATERAL (
        SELECT max(j.start_time) AS max_start FROM "jobmon".job_log j
        WHERE j.job_name = c.job_name AND j.start_time > now() - p_history) n ON true
    WHERE n.max_start IS NULL OR now() - n.max_start > c.warn_threshold
), found AS (
    SELECT l.alert_code, 'FAILED_RUN' AS alert_status, l.job_name, format('3 consecutive %s runs', t.alert_text) AS alert_text
    FROM "jobmon".job_check_log l JOIN "jobmon".job_status_text t ON t.alert_code = l.alert_code
    WHERE NOT EXISTS (SELECT FROM "jobmon".job_check_config c WHERE c.job_name = l.job_name)
    GROUP BY l.job_name, l.alert_code, t.alert_text HAVING count(*) > 2
    UNION ALL
    SELECT l.alert_code, 'FAILED_RUN', l.job_name, format('%s %s run(s)', count(*), t.alert_text)
    FROM "jobmon".job_check_log l JOIN cfg c ON c.job_name = l.job_name JOIN "jobmon".job_status_text t ON t.alert_code = l.alert_code
    GROUP BY l.job_name, l.alert_code, t.alert_text, c.sensitivity HAVING count(*) > c.sensitivity
    UNION ALL
    SELECT m.code, 'MISSING', m.job_name, NULL FROM missing m
), running AS (
    SELECT o.job_name, bool_and(o.unverified) AS unverified
    FROM open_runs o JOIN cfg c ON c.job_name = o.job_name
    WHERE (o.live OR pg_is_in_recovery()) AND o.start_time > now() - p_history
      AND now() - o.start_time >= least(c.warn_threshold, c.error_threshold)
    GROUP BY o.job_name
), blocked AS (
    SELECT o.job_name, max(o.work_pid) AS work_pid, min(l.waitstart) AS since
    FROM open_runs o JOIN locks l ON NOT l.granted AND l.pid IN (o.pid, o.work_pid)
    WHERE o.live AND o.start_time > now() - p_history AND NOT pg_is_in_recovery()
    GROUP BY o.job_name
), described AS (
    SELECT f.alert_code,
        CASE WHEN b.job_name IS NOT NULL THEN 'BLOCKED'
            WHEN r.job_name IS NULL THEN f.alert_status
            WHEN pg_is_in_recovery() THEN 'UNKNOWN'
            WHEN r.unverified THEN 'RUNNING (unverified)' ELSE 'RUNNING' END AS alert_status,
        f.job_name,
        CASE WHEN b.job_name IS NOT NULL THEN 'Another transaction has a lock that blocking this job from completing'
                || coalesce((SELECT ' (blocked by pid ' || string_agg(p::text, ', ') || coalesce(' since ' || b.since, '') || ')' FROM unnest(pg_blocking_pids(b.work_pid)) p), '')
            WHEN r.job_name IS NULL THEN coalesce(f.alert_text, 'Last completed run: ' || e.max_end,
                'Has not completed a run since highest configured monitoring time period')
            WHEN pg_is_in_recovery() THEN coalesce('Whether it runs cannot be seen on a standby. Last completed run: ' || e.max_end,
                'Whether it runs cannot be seen on a standby. Job has not had a completed run within configured monitoring time period.')
            ELSE coalesce('Currently running. Last completed run: ' || e.max_end,
                'Currently running. Job has not had a completed run within configured monitoring time period.') END AS alert_text
    FROM found f
    LEFT JOIN running r ON r.job_name = f.job_name
    LEFT JOIN blocked b ON b.job_name = f.job_name
    LEFT JOIN LATERAL (
        SELECT max(j.end_time) AS max_end FROM "jobmon".job_log j
        WHERE j.job_name = f.job_name AND j.start_time > now() - p_history
          AND (r.job_name IS NOT NULL OR f.alert_text IS NULL)) e ON true
    UNION ALL
    SELECT 3, 'DIED', o.job_name,
        (array_agg(coalesce(o.last_seen, format('Backend %s of the run started %s is gone', o.pid, o.start_time))
            ORDER BY o.start_time DESC))[1] || CASE WHEN count(*) > 1 THEN format(' (%s runs)', count(*)) ELSE '' END
    FROM open_runs o
    WHERE NOT o.live AND NOT pg_is_in_recovery() AND (o.known OR o.start_time > now() - p_history)
    GROUP BY o.job_name
    UNION ALL
    SELECT 2, 'OVERDUE', o.job_name, format('Running for %s, longer than the allowed %s',
        date_trunc('second', now() - min(o.start_time)), min(coalesce(n.max_runtime, u.max_runtime)))
    FROM open_runs o
    LEFT JOIN "omnipg_jobmon".run n ON n.job_id = o.job_id
    LEFT JOIN "omnipg_jobmon".check_rule u ON u.job_name = o.job_name AND u.active
    WHERE (o.live OR pg_is_in_recovery()) AND now() - o.start_time > coalesce(n.max_runtime, u.max_runtime)
    GROUP BY o.job_name
    UNION ALL
    SELECT 2, 'OVERDUE', o.job_name, format('Running for %s, longer than %s times the usual %s',
        date_trunc('second', now() - min(o.start_time)), u.anomaly_factor, make_interval(secs => h.p95))
    FROM open_runs o
    JOIN "omnipg_jobmon".check_rule u ON u.job_name = o.job_name AND u.active AND u.anomaly_factor IS NOT NULL
    JOIN LATERAL (
        SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM p.end_time - p.start_time)) AS p95, count(*) AS runs
        FROM (SELECT j.start_time, j.end_time FROM "jobmon".job_log j
              WHERE j.job_name = o.job_name AND j.end_time IS NOT NULL
                AND j.status = (SELECT t.alert_text FROM "jobmon".job_status_text t WHERE t.alert_code = 1)
              ORDER BY j.start_time DESC LIMIT 20) p) h ON h.runs >= 3
    WHERE o.live AND extract(epoch FROM now() - o.start_time) > h.p95 * u.anomaly_factor
    GROUP BY o.job_name, u.anomaly_factor, h.p95
    UNION ALL
    SELECT 2, 'TOO_FAST', u.job_name, format('The last run took %s, less than the expected %s', p.end_time - p.start_time, u.min_runtime)
    FROM "omnipg_jobmon".check_rule u
    JOIN LATERAL (SELECT j.start_time, j.end_time, j.status FROM "jobmon".job_log j
        WHERE j.job_name = u.job_name AND j.end_time IS NOT NULL ORDER BY j.start_time DESC LIMIT 1) p ON true
    JOIN "jobmon".job_status_text t ON t.alert_code = 1 AND t.alert_text = p.status
    WHERE u.active AND p.end_time - p.start_time < u.min_runtime
    UNION ALL
    SELECT 2, 'STALLED', o.job_name, format('No progress since %s in step: %s', max(s.progress_at), max(d.action))
    FROM open_runs o
    JOIN "omnipg_jobmon".step s ON s.job_id = o.job_id
    JOIN "jobmon".job_detail d ON d.step_id = s.step_id AND (d.end_time IS NULL OR d.status = 'PENDING')
    LEFT JOIN "omnipg_jobmon".run n ON n.job_id = o.job_id
    LEFT JOIN "omnipg_jobmon".check_rule u ON u.job_name = o.job_name AND u.active
    WHERE (o.live OR pg_is_in_recovery()) AND now() - s.progress_at > coalesce(n.stall_after, u.stall_after)
    GROUP BY o.job_name
)
SELECT DISTINCT d.alert_code, d.alert_status, d.job_name, d.alert_text,
    u.muted_until
FROM described d
LEFT JOIN "omnipg_jobmon".check_rule u ON u.job_name = d.job_name AND u.muted_until > now()
ORDER BY d.alert_code DESC, d.job_name, d.alert_status, d.alert_text


        ) q;
    ELSE
        RETURN QUERY SELECT q.alert_code, q.alert_status, q.job_name, q.alert_text FROM (
WITH cfg AS MATERIALIZED (
    SELECT c.job_name, c.warn_threshold, c.error_threshold, c.sensitivity FROM "jobmon".job_check_config c WHERE c.active
), locks AS MATERIALIZED (
    -- Column waitstart came with 14; by way of the whole row the same text runs on 13.
    SELECT l.pid, l.granted, l.locktype, l.database, l.classid, l.objid, l.objsubid,
        CASE WHEN NOT l.granted THEN (to_jsonb(l) ->> 'waitstart')::timestamptz END AS waitstart
    FROM pg_catalog.pg_locks l
    WHERE NOT l.granted OR l.locktype = 'advisory'
), open_runs AS MATERIALIZED (
    -- Every unfinished run, found through the index on status, and whether its process is seen. A backend younger than the run has
    -- inherited the pid; backend_start is NULL where this role may not see it, and then presence of the pid is all there is to know.
    SELECT j.job_id, j.job_name, j.start_time, j.pid, a.pid IS NOT NULL AND a.backend_start IS NULL AS unverified,
        a.pid IS NOT NULL AND (a.backend_start IS NULL OR a.backend_start <= j.start_time) AS live, false AS known,
        NULL::text AS last_seen, NULL::integer AS work_pid
    FROM "jobmon".job_log j LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = j.pid
    WHERE j.status IS NULL AND j.end_time IS NULL
), missing AS (
    SELECT c.job_name, n.max_start, CASE WHEN now() - n.max_start <= c.error_threshold THEN 2 ELSE 3 END AS code
    FROM cfg c
    LEFT JOIN LATERAL (
        SELECT max(j.start_time) AS max_start FROM "jobmon".job_log j
        WHERE j.job_name = c.job_name AND j.start_time > now() - p_history) n ON true
    WHERE n.max_start IS NULL OR now() - n.max_start > c.warn_threshold
), found AS (
    SELECT l.alert_code, 'FAILED_RUN' AS alert_status, l.job_name, format('3 consecutive %s runs', t.alert_text) AS alert_text
    FROM "jobmon".job_check_log l JOIN "jobmon".job_status_text t ON t.alert_code = l.alert_code
    WHERE NOT EXISTS (SELECT FROM "jobmon".job_check_config c WHERE c.job_name = l.job_name)
    GROUP BY l.job_name, l.alert_code, t.alert_text HAVING count(*) > 2
    UNION ALL
    SELECT l.alert_code, 'FAILED_RUN', l.job_name, format('%s %s run(s)', count(*), t.alert_text)
    FROM "jobmon".job_check_log l JOIN cfg c ON c.job_name = l.job_name JOIN "jobmon".job_status_text t ON t.alert_code = l.alert_code
    GROUP BY l.job_name, l.alert_code, t.alert_text, c.sensitivity HAVING count(*) > c.sensitivity
    UNION ALL
    SELECT m.code, 'MISSING', m.job_name, NULL FROM missing m
), running AS (
    SELECT o.job_name, bool_and(o.unverified) AS unverified
    FROM open_runs o JOIN cfg c ON c.job_name = o.job_name
    WHERE (o.live OR pg_is_in_recovery()) AND o.start_time > now() - p_history
      AND now() - o.start_time >= least(c.warn_threshold, c.error_threshold)
    GROUP BY o.job_name
), blocked AS (
    SELECT o.job_name, max(o.work_pid) AS work_pid, min(l.waitstart) AS since
    FROM open_runs o JOIN locks l ON NOT l.granted AND l.pid IN (o.pid, o.work_pid)
    WHERE o.live AND o.start_time > now() - p_history AND NOT pg_is_in_recovery()
    GROUP BY o.job_name
), described AS (
    SELECT f.alert_code,
        CASE WHEN b.job_name IS NOT NULL THEN 'BLOCKED'
            WHEN r.job_name IS NULL THEN f.alert_status
            WHEN pg_is_in_recovery() THEN 'UNKNOWN'
            WHEN r.unverified THEN 'RUNNING (unverified)' ELSE 'RUNNING' END AS alert_status,
        f.job_name,
        CASE WHEN b.job_name IS NOT NULL THEN 'Another transaction has a lock that blocking this job from completing'
                || coalesce((SELECT ' (blocked by pid ' || string_agg(p::text, ', ') || coalesce(' since ' || b.since, '') || ')' FROM unnest(pg_blocking_pids(b.work_pid)) p), '')
            WHEN r.job_name IS NULL THEN coalesce(f.alert_text, 'Last completed run: ' || e.max_end,
                'Has not completed a run since highest configured monitoring time period')
            WHEN pg_is_in_recovery() THEN coalesce('Whether it runs cannot be seen on a standby. Last completed run: ' || e.max_end,
                'Whether it runs cannot be seen on a standby. Job has not had a completed run within configured monitoring time period.')
            ELSE coalesce('Currently running. Last completed run: ' || e.max_end,
                'Currently running. Job has not had a completed run within configured monitoring time period.') END AS alert_text
    FROM found f
    LEFT JOIN running r ON r.job_name = f.job_name
    LEFT JOIN blocked b ON b.job_name = f.job_name
    LEFT JOIN LATERAL (
        SELECT max(j.end_time) AS max_end FROM "jobmon".job_log j
        WHERE j.job_name = f.job_name AND j.start_time > now() - p_history
          AND (r.job_name IS NOT NULL OR f.alert_text IS NULL)) e ON true
    UNION ALL
    SELECT 3, 'DIED', o.job_name,
        (array_agg(coalesce(o.last_seen, format('Backend %s of the run started %s is gone', o.pid, o.start_time))
            ORDER BY o.start_time DESC))[1] || CASE WHEN count(*) > 1 THEN format(' (%s runs)', count(*)) ELSE '' END
    FROM open_runs o
    WHERE NOT o.live AND NOT pg_is_in_recovery() AND (o.known OR o.start_time > now() - p_history)
    GROUP BY o.job_name
)
SELECT DISTINCT d.alert_code, d.alert_status, d.job_name, d.alert_text,
    NULL::timestamp with time zone AS muted_until
FROM described d
ORDER BY d.alert_code DESC, d.job_name, d.alert_status, d.alert_text


        ) q;
    END IF;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 1, 'OK'::text, NULL::text, 'All jobs run successfully'::text;
    END IF;
END
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".check_job_status(OUT alert_code integer, OUT alert_status text, OUT job_name text,
    OUT alert_text text) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = "jobmon", pg_temp
AS $omnipg$
    SELECT * FROM check_job_status(coalesce(
        (SELECT greatest(max(c.error_threshold), max(c.warn_threshold)) FROM job_check_config c WHERE c.active), '1 week'))
$omnipg$;

CREATE OR REPLACE FUNCTION "jobmon".cancel_job(p_job_id bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
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

    IF to_regclass('"omnipg_jobmon".run') IS NOT NULL THEN
        IF "omnipg_jobmon".request_cancel(p_job_id, current_user::text) IS NOT NULL THEN
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

CREATE OR REPLACE FUNCTION "jobmon".job_log_clear(p_interval interval) RETURNS void
LANGUAGE plpgsql SET search_path = "jobmon", pg_temp
AS $omnipg$
DECLARE
    v_boundary timestamp with time zone := now() - p_interval;
    v_job_id   bigint;
    v_step_id  bigint;
    v_rows     bigint;
    v_message  text;
BEGIN
    v_job_id := add_job('Purging pg_jobmon job logs');
    v_step_id := add_step(v_job_id, 'Purging pg_jobmon job logs older than ' || v_boundary);
    BEGIN
        DELETE FROM job_log j
        WHERE j.start_time <= v_boundary AND j.job_id IS DISTINCT FROM v_job_id
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
CREATE OR REPLACE FUNCTION "jobmon"._sweep_side_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = "jobmon", pg_temp
AS $omnipg$
BEGIN
    IF to_regclass('"omnipg_jobmon".run') IS NOT NULL THEN
        DELETE FROM "omnipg_jobmon".log_line l USING gone g WHERE l.job_id = g.job_id;
        DELETE FROM "omnipg_jobmon".step s USING gone g WHERE s.job_id = g.job_id;
        DELETE FROM "omnipg_jobmon".run r USING gone g WHERE r.job_id = g.job_id;
    END IF;
    RETURN NULL;
END
$omnipg$;

DROP TRIGGER IF EXISTS job_log_sweep_side_rows ON "jobmon".job_log;
CREATE TRIGGER job_log_sweep_side_rows AFTER DELETE ON "jobmon".job_log
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "jobmon"._sweep_side_rows();

CREATE OR REPLACE FUNCTION "jobmon".omnipg_jobmon_version() RETURNS integer
LANGUAGE sql IMMUTABLE
AS $omnipg$
    SELECT 1
$omnipg$;
COMMENT ON FUNCTION "jobmon".omnipg_jobmon_version() IS '1';

DO $omnipg$
DECLARE
    v_log     text;
    v_version integer;
BEGIN
    IF to_regclass('"omnipg_jobmon".schema_version') IS NULL THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'omnipg_jobmon' AND c.relname IN ('session', 'run', 'step', 'log_line', 'check_rule')) THEN
            RAISE EXCEPTION 'the side schema % holds foreign objects of the same names', quote_ident('omnipg_jobmon') USING ERRCODE = 'OJ001';
        END IF;
        RETURN;
    END IF;
    SELECT log_schema, version INTO v_log, v_version FROM "omnipg_jobmon".schema_version;
    IF v_version > 1 THEN
        RAISE EXCEPTION 'the side schema % has version %, newer than % of this script', quote_ident('omnipg_jobmon'), v_version, 1
            USING ERRCODE = 'OJ002', HINT = 'Use the script of the package version that installed it, or of a later one.';
    END IF;
    IF v_log <> 'jobmon' AND to_regclass(format('%I.job_log', v_log)) IS NOT NULL THEN
        RAISE EXCEPTION 'the side schema % belongs to the log in schema %', quote_ident('omnipg_jobmon'), quote_ident(v_log)
            USING ERRCODE = 'OJ001';
    END IF;
END
$omnipg$;
DO $omnipg$
BEGIN
    -- CREATE SCHEMA IF NOT EXISTS asks for the right to create one even where it exists already.
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'omnipg_jobmon') THEN
        CREATE SCHEMA "omnipg_jobmon";
    END IF;
END
$omnipg$;
CREATE TABLE IF NOT EXISTS "omnipg_jobmon".schema_version (
    version    integer NOT NULL,
    log_schema text    NOT NULL
);

CREATE TABLE IF NOT EXISTS "omnipg_jobmon".session (
    session_id    uuid PRIMARY KEY,
    lock_key      integer UNIQUE,
    client_name   text,
    host          text,
    os_pid        integer,
    process_start timestamp with time zone,
    backend_pid   integer,
    backend_start timestamp with time zone,
    liveness      text,
    started_at    timestamp with time zone,
    heartbeat_at  timestamp with time zone,
    ended_at      timestamp with time zone,
    sdk_version   text
);

CREATE TABLE IF NOT EXISTS "omnipg_jobmon".run (
    job_id              bigint PRIMARY KEY,
    client_token        uuid UNIQUE,
    session_id          uuid,
    display_name        text,
    parent_job_id       bigint,
    trace_id            text,
    span_id             text,
    work_pid            integer,
    work_backend_start  timestamp with time zone,
    args                jsonb,
    result              jsonb,
    tags                text[],
    max_runtime         interval,
    stall_after         interval,
    cancel_requested_at timestamp with time zone,
    cancel_requested_by text,
    reaped_at           timestamp with time zone,
    error               jsonb
);
CREATE INDEX IF NOT EXISTS run_session_id_idx ON "omnipg_jobmon".run (session_id);
CREATE INDEX IF NOT EXISTS run_parent_job_id_idx ON "omnipg_jobmon".run (parent_job_id) WHERE parent_job_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS run_tags_idx ON "omnipg_jobmon".run USING gin (tags) WHERE tags IS NOT NULL;

CREATE TABLE IF NOT EXISTS "omnipg_jobmon".step (
    step_id        bigint PRIMARY KEY,
    client_token   uuid UNIQUE,
    job_id         bigint,
    parent_step_id bigint,
    ordinal        integer,
    current        bigint,
    total          bigint,
    unit           text,
    progress_at    timestamp with time zone,
    rows_affected  bigint,
    error          jsonb
);
CREATE INDEX IF NOT EXISTS step_job_id_idx ON "omnipg_jobmon".step (job_id);

CREATE TABLE IF NOT EXISTS "omnipg_jobmon".log_line (
    job_id   bigint NOT NULL,
    seq      bigint NOT NULL,
    step_id  bigint,
    ts       timestamp with time zone NOT NULL,
    level    smallint NOT NULL,
    category text,
    message  text,
    PRIMARY KEY (job_id, seq)
);

CREATE TABLE IF NOT EXISTS "omnipg_jobmon".check_rule (
    job_name       text PRIMARY KEY,
    active         boolean NOT NULL DEFAULT true,
    cron           text,
    time_zone      text,
    start_grace    interval,
    max_runtime    interval,
    min_runtime    interval,
    anomaly_factor double precision,
    stall_after    interval,
    muted_until    timestamp with time zone,
    muted_by       text,
    muted_why      text,
    created_at     timestamp with time zone NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "omnipg_jobmon".acknowledgement (
    job_name        text NOT NULL,
    job_ids         bigint[] NOT NULL,
    acknowledged_at timestamp with time zone NOT NULL DEFAULT now(),
    acknowledged_by text NOT NULL,
    why             text
);
CREATE INDEX IF NOT EXISTS acknowledgement_job_name_idx ON "omnipg_jobmon".acknowledgement (job_name);

-- The lock that the control session of an SDK process holds for as long as it lives, or a heartbeat not older than p_dead_after.
-- pg_locks is readable for every role; a standby does not see the locks of its primary, there only the heartbeat counts.
CREATE OR REPLACE FUNCTION "omnipg_jobmon".session_is_live(p_session_id uuid, p_dead_after interval DEFAULT '60 seconds') RETURNS boolean
LANGUAGE sql STABLE SET search_path = "omnipg_jobmon", pg_temp
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
-- that was attached. 1: backend signalled, 0: only flagged, NULL: no living process is known for the run.
CREATE OR REPLACE FUNCTION "omnipg_jobmon".request_cancel(p_job_id bigint, p_by text) RETURNS integer
LANGUAGE plpgsql SET search_path = "omnipg_jobmon", pg_temp
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
        WHERE a.pid = v_run.work_pid AND a.backend_start = v_run.work_backend_start;
    EXCEPTION WHEN insufficient_privilege THEN
        -- The flag is enough: the process cancels its own backend.
        v_hits := 0;
    END;
    RETURN least(v_hits, 1);
END
$omnipg$;

-- Closes unfinished runs whose process is gone; with p_foreign also runs without a side row whose backend is gone. Of several callers
-- at once exactly one closes a run: the others find end_time set.
CREATE OR REPLACE FUNCTION "omnipg_jobmon".reap_dead_jobs(p_dead_after interval DEFAULT '60 seconds', p_foreign boolean DEFAULT false)
RETURNS integer
LANGUAGE plpgsql SET search_path = "omnipg_jobmon", pg_temp
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
    SELECT coalesce(max(alert_text), 'CRITICAL') INTO v_status FROM "jobmon".job_status_text WHERE alert_code = 3;

    FOR v_dead IN
        SELECT j.job_id, s.session_id IS NOT NULL AS known,
            CASE WHEN s.session_id IS NULL THEN format('DIED: backend %s', j.pid)
                ELSE format('DIED: %s on %s (process %s) last seen %s', s.client_name, s.host, s.os_pid, s.heartbeat_at) END AS message
        FROM "jobmon".job_log j LEFT JOIN run r ON r.job_id = j.job_id LEFT JOIN session s ON s.session_id = r.session_id
        WHERE j.status IS NULL AND j.end_time IS NULL
          AND CASE WHEN s.session_id IS NOT NULL THEN NOT coalesce(session_is_live(s.session_id, p_dead_after), false)
              ELSE p_foreign AND NOT EXISTS (SELECT FROM pg_stat_activity a
                  WHERE a.pid = j.pid AND (a.backend_start IS NULL OR a.backend_start <= j.start_time)) END
        ORDER BY j.job_id
    LOOP
        UPDATE "jobmon".job_log SET end_time = v_moment, status = v_status WHERE job_id = v_dead.job_id AND end_time IS NULL;
        CONTINUE WHEN NOT FOUND;
        v_reaped := v_reaped + 1;
        UPDATE "jobmon".job_detail
        SET end_time = v_moment, status = v_status, elapsed_time = greatest(extract(epoch FROM v_moment - start_time), 0)::real,
            message = CASE WHEN message IS NULL THEN v_dead.message ELSE v_dead.message || E'\n' || message END
        WHERE job_id = v_dead.job_id AND (end_time IS NULL OR status = 'PENDING');
        IF NOT FOUND THEN
            INSERT INTO "jobmon".job_detail (job_id, action, start_time, end_time, elapsed_time, status, message)
            VALUES (v_dead.job_id, 'Died outside a step', v_moment, v_moment, 0, v_status, v_dead.message);
        END IF;
        UPDATE run SET reaped_at = v_moment WHERE job_id = v_dead.job_id;
        PERFORM pg_notify('omnipg_jobmon', 'end:' || v_dead.job_id);
    END LOOP;
    RETURN v_reaped;
END
$omnipg$;

DELETE FROM "omnipg_jobmon".schema_version;
INSERT INTO "omnipg_jobmon".schema_version (version, log_schema) VALUES (1, 'jobmon');

COMMIT;
