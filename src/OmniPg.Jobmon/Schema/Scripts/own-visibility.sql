-- Row-level visibility: an owner sees own runs, members of the reader role see all. Owners of the tables are not restricted.
ALTER TABLE @schema@.job_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE @schema@.job_detail ENABLE ROW LEVEL SECURITY;
ALTER TABLE @side@.run ENABLE ROW LEVEL SECURITY;
ALTER TABLE @side@.step ENABLE ROW LEVEL SECURITY;
ALTER TABLE @side@.log_line ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS omnipg_visible ON @schema@.job_log;
CREATE POLICY omnipg_visible ON @schema@.job_log
    USING (owner = current_user OR pg_catalog.pg_has_role(current_user, '@reader.name.literal@', 'MEMBER')) WITH CHECK (true);
DROP POLICY IF EXISTS omnipg_visible ON @schema@.job_detail;
CREATE POLICY omnipg_visible ON @schema@.job_detail
    USING (EXISTS (SELECT FROM @schema@.job_log j WHERE j.job_id = job_detail.job_id)) WITH CHECK (true);
-- Exceptions, arguments and log lines say more than the log itself: whoever sees a run sees its side rows, and nobody else.
DROP POLICY IF EXISTS omnipg_visible ON @side@.run;
CREATE POLICY omnipg_visible ON @side@.run
    USING (EXISTS (SELECT FROM @schema@.job_log j WHERE j.job_id = run.job_id)) WITH CHECK (true);
DROP POLICY IF EXISTS omnipg_visible ON @side@.step;
CREATE POLICY omnipg_visible ON @side@.step
    USING (EXISTS (SELECT FROM @schema@.job_log j WHERE j.job_id = step.job_id)) WITH CHECK (true);
DROP POLICY IF EXISTS omnipg_visible ON @side@.log_line;
CREATE POLICY omnipg_visible ON @side@.log_line
    USING (EXISTS (SELECT FROM @schema@.job_log j WHERE j.job_id = log_line.job_id)) WITH CHECK (true);
