CREATE OR REPLACE FUNCTION @schema@.job_monitor() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_code integer;
BEGIN
    SELECT t.alert_code INTO v_code
    FROM job_status_text t WHERE t.alert_text = NEW.status ORDER BY t.alert_code LIMIT 1;

    -- A run that was opened again, and what the escalation writes after it has counted the failure.
    IF NEW.status IS NULL OR NEW.status = 'ESCALATED' THEN
        RETURN NULL;
    END IF;
    -- A status that nobody has named is no success, and somebody has to look at it.
    v_code := coalesce(v_code, (SELECT max(t.alert_code) FROM job_status_text t WHERE t.alert_code > 1), 3);
    IF v_code = 1 THEN
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

CREATE OR REPLACE FUNCTION @schema@.job_check_log_escalate_trig() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = @schema@, pg_temp
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

CREATE OR REPLACE FUNCTION @schema@.dblink_limit_trig() RETURNS trigger
LANGUAGE plpgsql SET search_path = @schema@, pg_temp
AS $omnipg$
BEGIN
    IF (SELECT count(*) FROM dblink_mapping_jobmon) > 1 THEN
        RAISE EXCEPTION 'Only a single row may exist in this table';
    END IF;
    RETURN NULL;
END
$omnipg$;

DROP TRIGGER IF EXISTS trg_job_monitor ON @schema@.job_log;
CREATE TRIGGER trg_job_monitor AFTER UPDATE ON @schema@.job_log
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION @schema@.job_monitor();

DROP TRIGGER IF EXISTS job_check_log_escalate_trig ON @schema@.job_check_log;
CREATE TRIGGER job_check_log_escalate_trig BEFORE INSERT ON @schema@.job_check_log
    FOR EACH ROW EXECUTE FUNCTION @schema@.job_check_log_escalate_trig();

DROP TRIGGER IF EXISTS dblink_limit_trig ON @schema@.dblink_mapping_jobmon;
CREATE TRIGGER dblink_limit_trig AFTER INSERT ON @schema@.dblink_mapping_jobmon
    FOR EACH ROW EXECUTE FUNCTION @schema@.dblink_limit_trig();
