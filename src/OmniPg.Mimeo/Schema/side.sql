-- What the package keeps beside the tables of the extension, or beside its own.
CREATE TABLE IF NOT EXISTS @side@.schema_version (version integer NOT NULL, schema text NOT NULL);
CREATE TABLE IF NOT EXISTS @side@.source_name (name text PRIMARY KEY, data_source_id integer NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS @side@.table_state (
    dest_table text PRIMARY KEY,
    change_token text,
    skips integer NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS @side@.table_option (
    dest_table text PRIMARY KEY,
    drift text NOT NULL,
    boundary_mode text NOT NULL);
-- Since version 5: names of columns with their expressions in turn, and whether deletes are left alone.
ALTER TABLE @side@.table_option ADD COLUMN IF NOT EXISTS expressions text[] NOT NULL DEFAULT '{}', ADD COLUMN IF NOT EXISTS ignore_deletes boolean NOT NULL DEFAULT false;
-- Since version 6: whether older images of deleted rows are kept.
ALTER TABLE @side@.table_option ADD COLUMN IF NOT EXISTS keep_history boolean NOT NULL DEFAULT false;
-- Who may work with the state of tables may work with their options as well: the table came with version 4.
DO $grants$
DECLARE
    given record;
BEGIN
    IF (SELECT relacl IS NULL FROM pg_catalog.pg_class WHERE oid = '@side@.table_option'::pg_catalog.regclass) THEN
        FOR given IN SELECT a.grantee, a.privilege_type FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
            WHERE c.oid = '@side@.table_state'::pg_catalog.regclass AND a.grantee <> c.relowner
        LOOP
            EXECUTE pg_catalog.format('GRANT %s ON TABLE @side@.table_option TO %s', given.privilege_type,
                CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE given.grantee::pg_catalog.regrole::text END);
        END LOOP;
    END IF;
END $grants$;
CREATE TABLE IF NOT EXISTS @side@.refresh_config_logical (
    dest_table text PRIMARY KEY,
    source_table text NOT NULL,
    type text NOT NULL DEFAULT 'logical' CHECK (type = 'logical'),
    dblink integer NOT NULL,
    last_run timestamptz,
    filter text[],
    condition text,
    period interval,
    batch_limit integer,
    jobmon boolean NOT NULL DEFAULT false,
    slot_name text NOT NULL,
    pk_name text[] NOT NULL,
    pk_type text[] NOT NULL,
    publication_rel oid,
    applied_lsn pg_lsn,
    snapshot text,
    snapshot_lsn pg_lsn);
DELETE FROM @side@.schema_version;
INSERT INTO @side@.schema_version VALUES (6, '@schema.name.literal@');
