-- Row-level visibility: an owner sees own runs, members of the reader role see all. Owners of the tables are not restricted.
ALTER TABLE @schema@.job_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE @schema@.job_detail ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS omnipg_visible ON @schema@.job_log;
CREATE POLICY omnipg_visible ON @schema@.job_log
    USING (owner = current_user OR pg_catalog.pg_has_role(current_user, '@reader.name.literal@', 'MEMBER')) WITH CHECK (true);
DROP POLICY IF EXISTS omnipg_visible ON @schema@.job_detail;
CREATE POLICY omnipg_visible ON @schema@.job_detail
    USING (EXISTS (SELECT FROM @schema@.job_log j WHERE j.job_id = job_detail.job_id)) WITH CHECK (true);
