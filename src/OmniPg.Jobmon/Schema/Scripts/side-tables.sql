CREATE TABLE IF NOT EXISTS @side@.schema_version (
    version    integer NOT NULL,
    log_schema text    NOT NULL
);

CREATE TABLE IF NOT EXISTS @side@.session (
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

CREATE TABLE IF NOT EXISTS @side@.run (
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
CREATE INDEX IF NOT EXISTS run_session_id_idx ON @side@.run (session_id);
CREATE INDEX IF NOT EXISTS run_parent_job_id_idx ON @side@.run (parent_job_id) WHERE parent_job_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS run_tags_idx ON @side@.run USING gin (tags) WHERE tags IS NOT NULL;

CREATE TABLE IF NOT EXISTS @side@.step (
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
CREATE INDEX IF NOT EXISTS step_job_id_idx ON @side@.step (job_id);

CREATE TABLE IF NOT EXISTS @side@.log_line (
    job_id   bigint NOT NULL,
    seq      bigint NOT NULL,
    step_id  bigint,
    ts       timestamp with time zone NOT NULL,
    level    smallint NOT NULL,
    category text,
    message  text,
    PRIMARY KEY (job_id, seq)
);

CREATE TABLE IF NOT EXISTS @side@.check_rule (
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

CREATE TABLE IF NOT EXISTS @side@.acknowledgement (
    job_name        text NOT NULL,
    job_ids         bigint[] NOT NULL,
    acknowledged_at timestamp with time zone NOT NULL DEFAULT now(),
    acknowledged_by text NOT NULL,
    why             text
);
CREATE INDEX IF NOT EXISTS acknowledgement_job_name_idx ON @side@.acknowledgement (job_name);
