CREATE SCHEMA IF NOT EXISTS @schema@;

CREATE TABLE IF NOT EXISTS @schema@.schema_version (version integer NOT NULL, belongs_to text NOT NULL);

CREATE TABLE IF NOT EXISTS @schema@.part_config (
    parent_table text PRIMARY KEY,
    control text NOT NULL,
    time_encoder text,
    time_decoder text,
    partition_interval text NOT NULL,
    partition_type text NOT NULL,
    premake integer NOT NULL DEFAULT 4 CHECK (premake > 0),
    automatic_maintenance text NOT NULL DEFAULT 'on' CHECK (automatic_maintenance IN ('on', 'off')),
    template_table text,
    retention text,
    retention_schema text CHECK (retention_schema <> ''),
    retention_keep_index boolean NOT NULL DEFAULT true,
    retention_keep_table boolean NOT NULL DEFAULT true,
    epoch text NOT NULL DEFAULT 'none' CHECK (epoch IN ('none', 'seconds', 'milliseconds', 'microseconds', 'nanoseconds')),
    constraint_cols text[],
    optimize_constraint integer NOT NULL DEFAULT 30,
    infinite_time_partitions boolean NOT NULL DEFAULT false,
    datetime_string text,
    jobmon boolean NOT NULL DEFAULT true,
    sub_partition_set_full boolean NOT NULL DEFAULT false,
    undo_in_progress boolean NOT NULL DEFAULT false,
    inherit_privileges boolean NOT NULL DEFAULT false,
    constraint_valid boolean NOT NULL DEFAULT true,
    ignore_default_data boolean NOT NULL DEFAULT true,
    date_trunc_interval text,
    maintenance_order integer,
    retention_keep_publication boolean NOT NULL DEFAULT false,
    maintenance_last_run timestamptz,
    async_partitioning_in_progress text,
    detach_before_drop boolean NOT NULL DEFAULT false,
    maintenance_role text NOT NULL DEFAULT current_user,
    child_table_prefix text NOT NULL DEFAULT '_p' CHECK (child_table_prefix <> ''));

CREATE TABLE IF NOT EXISTS @schema@.part_config_sub (
    sub_parent text PRIMARY KEY REFERENCES @schema@.part_config (parent_table) ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
    sub_control text NOT NULL,
    sub_time_encoder text,
    sub_time_decoder text,
    sub_partition_interval text NOT NULL,
    sub_partition_type text NOT NULL,
    sub_premake integer NOT NULL DEFAULT 4 CHECK (sub_premake > 0),
    sub_automatic_maintenance text NOT NULL DEFAULT 'on' CHECK (sub_automatic_maintenance IN ('on', 'off')),
    sub_template_table text,
    sub_retention text,
    sub_retention_schema text CHECK (sub_retention_schema <> ''),
    sub_retention_keep_index boolean NOT NULL DEFAULT true,
    sub_retention_keep_table boolean NOT NULL DEFAULT true,
    sub_epoch text NOT NULL DEFAULT 'none' CHECK (sub_epoch IN ('none', 'seconds', 'milliseconds', 'microseconds', 'nanoseconds')),
    sub_constraint_cols text[],
    sub_optimize_constraint integer NOT NULL DEFAULT 30,
    sub_infinite_time_partitions boolean NOT NULL DEFAULT false,
    sub_jobmon boolean NOT NULL DEFAULT true,
    sub_inherit_privileges boolean NOT NULL DEFAULT false,
    sub_constraint_valid boolean NOT NULL DEFAULT true,
    sub_ignore_default_data boolean NOT NULL DEFAULT true,
    sub_default_table boolean NOT NULL DEFAULT true,
    sub_date_trunc_interval text,
    sub_maintenance_order integer,
    sub_retention_keep_publication boolean NOT NULL DEFAULT false,
    sub_control_not_null boolean NOT NULL DEFAULT true,
    sub_detach_before_drop boolean NOT NULL DEFAULT false,
    sub_maintenance_role text NOT NULL DEFAULT current_user);

CREATE TABLE IF NOT EXISTS @schema@.part_option (
    parent_table text NOT NULL,
    key text NOT NULL,
    value jsonb NOT NULL,
    PRIMARY KEY (parent_table, key));

CREATE TABLE IF NOT EXISTS @schema@.operation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_table text NOT NULL,
    child oid,
    child_name text,
    kind text NOT NULL,
    phase text NOT NULL,
    detail jsonb,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished_at timestamptz,
    error text);

INSERT INTO @schema@.schema_version (version, belongs_to)
SELECT 1, 'omnipg' WHERE NOT EXISTS (SELECT 1 FROM @schema@.schema_version);
