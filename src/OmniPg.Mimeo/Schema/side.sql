-- What the package keeps beside the tables of the extension, or beside its own.
CREATE TABLE IF NOT EXISTS @side@.schema_version (version integer NOT NULL, schema text NOT NULL);
CREATE TABLE IF NOT EXISTS @side@.source_name (name text PRIMARY KEY, data_source_id integer NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS @side@.table_state (
    dest_table text PRIMARY KEY,
    change_token text,
    skips integer NOT NULL DEFAULT 0);
DELETE FROM @side@.schema_version;
INSERT INTO @side@.schema_version VALUES (2, '@schema.name.literal@');
