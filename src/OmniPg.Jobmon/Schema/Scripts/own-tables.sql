CREATE TABLE IF NOT EXISTS @schema@.job_log (
    job_id     bigint                   NOT NULL,
    owner      text                     NOT NULL,
    job_name   text                     NOT NULL,
    start_time timestamp with time zone NOT NULL,
    end_time   timestamp with time zone,
    status     text,
    pid        integer                  NOT NULL,
    CONSTRAINT job_log_job_id_pkey PRIMARY KEY (job_id)
);
CREATE SEQUENCE IF NOT EXISTS @schema@.job_log_job_id_seq OWNED BY @schema@.job_log.job_id;
ALTER TABLE @schema@.job_log ALTER COLUMN job_id SET DEFAULT nextval('@schema.literal@.job_log_job_id_seq');
CREATE INDEX IF NOT EXISTS job_log_job_name_idx ON @schema@.job_log (job_name);
CREATE INDEX IF NOT EXISTS job_log_start_time_idx ON @schema@.job_log (start_time);
CREATE INDEX IF NOT EXISTS job_log_status_idx ON @schema@.job_log (status);
CREATE INDEX IF NOT EXISTS job_log_pid_idx ON @schema@.job_log (pid);
-- Not in the original: the check looks up the newest run of every configured name.
CREATE INDEX IF NOT EXISTS job_log_job_name_start_time_idx ON @schema@.job_log (job_name, start_time DESC);

CREATE TABLE IF NOT EXISTS @schema@.job_detail (
    job_id       bigint                   NOT NULL,
    step_id      bigint                   NOT NULL,
    action       text                     NOT NULL,
    start_time   timestamp with time zone NOT NULL,
    end_time     timestamp with time zone,
    elapsed_time real,
    status       text,
    message      text,
    CONSTRAINT job_detail_step_id_pkey PRIMARY KEY (step_id),
    CONSTRAINT job_detail_job_id_fkey FOREIGN KEY (job_id) REFERENCES @schema@.job_log (job_id) ON DELETE CASCADE
);
CREATE SEQUENCE IF NOT EXISTS @schema@.job_detail_step_id_seq OWNED BY @schema@.job_detail.step_id;
ALTER TABLE @schema@.job_detail ALTER COLUMN step_id SET DEFAULT nextval('@schema.literal@.job_detail_step_id_seq');
CREATE INDEX IF NOT EXISTS job_detail_job_id_idx ON @schema@.job_detail (job_id);

CREATE TABLE IF NOT EXISTS @schema@.job_check_log (
    job_id     bigint  NOT NULL,
    job_name   text    NOT NULL,
    alert_code integer NOT NULL DEFAULT 3
);
-- Not in the original: the triggers look rows up by name and by job.
CREATE INDEX IF NOT EXISTS job_check_log_job_name_idx ON @schema@.job_check_log (job_name);
CREATE INDEX IF NOT EXISTS job_check_log_job_id_idx ON @schema@.job_check_log (job_id);

CREATE TABLE IF NOT EXISTS @schema@.job_check_config (
    job_name        text     NOT NULL,
    warn_threshold  interval NOT NULL,
    error_threshold interval NOT NULL,
    active          boolean  NOT NULL DEFAULT false,
    sensitivity     smallint NOT NULL DEFAULT 0,
    escalate        integer,
    CONSTRAINT job_check_config_job_name_pkey PRIMARY KEY (job_name)
);

CREATE TABLE IF NOT EXISTS @schema@.job_status_text (
    alert_code integer NOT NULL,
    alert_text text    NOT NULL,
    CONSTRAINT job_status_text_alert_code_pkey PRIMARY KEY (alert_code)
);

CREATE TABLE IF NOT EXISTS @schema@.dblink_mapping_jobmon (
    username text,
    port     text,
    pwd      text,
    host     text,
    hostaddr text
);
REVOKE ALL ON @schema@.dblink_mapping_jobmon FROM PUBLIC;
