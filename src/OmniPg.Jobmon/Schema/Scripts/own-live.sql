-- Whether an unfinished run is still at work. With p_busy a backend without a side row must also be other than idle.
CREATE OR REPLACE FUNCTION @schema@._is_live(p_job_id bigint, p_pid integer, p_start_time timestamp with time zone, p_busy boolean)
RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = @schema@, pg_temp
AS $omnipg$
DECLARE
    v_live boolean;
BEGIN
    IF to_regclass('@side.literal@.session') IS NOT NULL THEN
        SELECT @side@.session_is_live(r.session_id) INTO v_live
        FROM @side@.run r JOIN @side@.session s USING (session_id) WHERE r.job_id = p_job_id;
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
