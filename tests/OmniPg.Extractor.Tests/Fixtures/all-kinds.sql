-- One object, or several, of every kind that pg_dump knows. For an empty database of server 13 or newer with wal_level = logical,
-- run as superuser. Roles belong to the cluster and are created when missing. Plain SQL: no psql commands, no bodies with bare semicolons.
-- A database with a subscription cannot be dropped: run DROP SUBSCRIPTION incoming first.
DO $$
DECLARE r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['ak_owner', 'ak_reader', 'ak_writer', 'Ak "Odd" Role']
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I', r);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another database of the cluster has made it
        END;
    END LOOP;
END
$$;

CREATE SCHEMA app AUTHORIZATION ak_owner;
CREATE SCHEMA "Mixed Case";
CREATE SCHEMA archive;
COMMENT ON SCHEMA app IS 'Application objects; with a quote '' and a backslash \.';
GRANT USAGE ON SCHEMA app TO ak_reader, ak_writer;
GRANT CREATE ON SCHEMA public TO ak_owner;

CREATE EXTENSION pgcrypto WITH SCHEMA public;
CREATE EXTENSION postgres_fdw WITH SCHEMA public;
CREATE EXTENSION hstore WITH SCHEMA public;
COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions, as this database uses them';
GRANT EXECUTE ON FUNCTION public.gen_salt(text) TO ak_reader;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) TO ak_owner;

CREATE COLLATION app.german (provider = libc, locale = 'C');
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s fine', 'happy');
CREATE TYPE app.money_amount AS (amount numeric(14, 2), currency character(3));
CREATE TYPE app.float_range AS RANGE (subtype = double precision, subtype_diff = float8mi);
CREATE DOMAIN app.email AS text COLLATE "C" DEFAULT 'nobody@example.org' CONSTRAINT email_shape CHECK (VALUE ~ '^[^@]+@[^@]+$');
CREATE DOMAIN app.positive AS integer NOT NULL CONSTRAINT above_zero CHECK (VALUE > 0);
ALTER DOMAIN app.positive ADD CONSTRAINT below_million CHECK (VALUE < 1000000) NOT VALID;
COMMENT ON TYPE app.mood IS 'How somebody feels';
COMMENT ON CONSTRAINT above_zero ON DOMAIN app.positive IS 'a comment on a domain constraint';
GRANT USAGE ON TYPE app.mood TO ak_reader;
ALTER TYPE app.mood OWNER TO ak_owner;

-- A base type, declared as a shell first.
CREATE TYPE app.hexint;
CREATE FUNCTION app.hexint_in(cstring) RETURNS app.hexint LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION app.hexint_out(app.hexint) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE app.hexint (INPUT = app.hexint_in, OUTPUT = app.hexint_out, LIKE = integer);
CREATE CAST (app.hexint AS integer) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (app.hexint AS integer) IS 'same bits';

CREATE SEQUENCE app.ticket_number START WITH 1000 INCREMENT BY 5 MINVALUE 10 MAXVALUE 999999 CACHE 20 CYCLE;
CREATE SEQUENCE app.owned_by_hand;
GRANT SELECT, USAGE ON SEQUENCE app.ticket_number TO ak_writer;
COMMENT ON SEQUENCE app.ticket_number IS 'numbers of tickets';

CREATE TABLE app.customers (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email app.email,
    mood app.mood DEFAULT 'ok',
    balance app.money_amount,
    code integer DEFAULT nextval('app.owned_by_hand'),
    tags public.hstore,
    name_upper text GENERATED ALWAYS AS (upper(name)) STORED,
    CONSTRAINT customers_code_positive CHECK (code > 0)
) WITH (fillfactor = 80);
ALTER SEQUENCE app.owned_by_hand OWNED BY app.customers.code;
ALTER TABLE app.customers OWNER TO ak_owner;
ALTER TABLE app.customers ADD CONSTRAINT customers_name_length CHECK (length(name) < 500) NOT VALID;
ALTER TABLE app.customers ALTER COLUMN name SET STATISTICS 500;
ALTER TABLE app.customers ALTER COLUMN email SET STORAGE EXTERNAL;
COMMENT ON TABLE app.customers IS 'People who pay';
COMMENT ON COLUMN app.customers.name IS 'Full name,
on two lines';
COMMENT ON CONSTRAINT customers_code_positive ON app.customers IS 'codes start at 1';
GRANT SELECT ON TABLE app.customers TO ak_reader;
GRANT UPDATE (name, mood) ON TABLE app.customers TO ak_writer;
GRANT SELECT ON TABLE app.customers TO "Ak ""Odd"" Role" WITH GRANT OPTION;

CREATE TABLE app.orders (
    id bigserial,
    customer_id integer NOT NULL,
    ordered_at timestamp with time zone DEFAULT now() NOT NULL,
    note text,
    payload bytea,
    period tstzrange,
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_note_unique UNIQUE (customer_id, note) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT orders_no_overlap EXCLUDE USING gist (period WITH &&)
);
ALTER TABLE app.orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES app.customers (id) ON DELETE CASCADE;
ALTER TABLE app.orders ADD CONSTRAINT orders_self_fkey FOREIGN KEY (id) REFERENCES app.orders (id) NOT VALID;
CREATE INDEX orders_note_idx ON app.orders USING btree (lower(note)) WHERE note IS NOT NULL;
CREATE INDEX orders_at_brin ON app.orders USING brin (ordered_at);
ALTER TABLE app.orders CLUSTER ON orders_pkey;
ALTER TABLE app.orders REPLICA IDENTITY USING INDEX orders_pkey;
COMMENT ON INDEX app.orders_note_idx IS 'search by note';
COMMENT ON CONSTRAINT orders_customer_fkey ON app.orders IS 'orders die with the customer';
CREATE STATISTICS app.orders_stats (dependencies, ndistinct) ON customer_id, ordered_at FROM app.orders;
ALTER STATISTICS app.orders_stats SET STATISTICS 250;
COMMENT ON STATISTICS app.orders_stats IS 'two columns that go together';

CREATE TABLE app.employees () INHERITS (app.customers);
ALTER TABLE app.employees ALTER COLUMN mood SET DEFAULT 'happy';
CREATE UNLOGGED TABLE app.cache (key text COLLATE app.german, value jsonb, price numeric(10, 2)[]);
CREATE TABLE app.of_type OF app.money_amount (currency WITH OPTIONS DEFAULT 'EUR');

-- Partitions: range with sub-partitions and a default one, list, hash.
CREATE TABLE app.events (id bigint NOT NULL, at timestamp with time zone NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE app.events_2024 PARTITION OF app.events FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00') PARTITION BY LIST (kind);
CREATE TABLE app.events_2024_a PARTITION OF app.events_2024 FOR VALUES IN ('a', 'b');
CREATE TABLE app.events_2024_rest PARTITION OF app.events_2024 DEFAULT;
CREATE TABLE archive.events_2023 PARTITION OF app.events FOR VALUES FROM ('2023-01-01 00:00+00') TO ('2024-01-01 00:00+00');
CREATE TABLE app.events_default PARTITION OF app.events DEFAULT;
CREATE INDEX events_kind_idx ON app.events (kind);
ALTER TABLE app.events ADD CONSTRAINT events_pkey PRIMARY KEY (id, at, kind);
COMMENT ON INDEX app.events_kind_idx IS 'on all partitions';
CREATE TABLE app.hashed (id integer NOT NULL) PARTITION BY HASH (id);
CREATE TABLE app.hashed_0 PARTITION OF app.hashed FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE app.hashed_1 PARTITION OF app.hashed FOR VALUES WITH (modulus 2, remainder 1);

CREATE FUNCTION app.add(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $_$SELECT $1 + $2$_$;
CREATE FUNCTION app.add(a text, b text DEFAULT 'x;y') RETURNS text LANGUAGE sql AS $$
SELECT a || b /*
CREATE FUNCTION a line in a body that looks like a definition
*/
$$;
CREATE FUNCTION app.add(VARIADIC numbers numeric[]) RETURNS numeric LANGUAGE plpgsql SECURITY DEFINER SET search_path TO 'app', 'pg_temp' COST 10 AS $fn$
DECLARE total numeric := 0; n numeric;
BEGIN
    FOREACH n IN ARRAY numbers LOOP total := total + n; END LOOP;
    RETURN total;
END
$fn$;
CREATE FUNCTION app.rows_of(OUT id integer, OUT label text) RETURNS SETOF record LANGUAGE sql ROWS 5 AS 'SELECT 1, ''one''';
ALTER FUNCTION app.add(integer, integer) OWNER TO ak_owner;
GRANT EXECUTE ON FUNCTION app.add(integer, integer) TO ak_reader;
REVOKE ALL ON FUNCTION app.add(text, text) FROM PUBLIC;
COMMENT ON FUNCTION app.add(integer, integer) IS 'adds whole numbers';
COMMENT ON FUNCTION app.add(text, text) IS 'joins texts';
CREATE PROCEDURE app.purge(INOUT removed integer DEFAULT 0) LANGUAGE plpgsql AS $$ BEGIN removed := removed + 1; END $$;
COMMENT ON PROCEDURE app.purge(integer) IS 'removes nothing';
GRANT EXECUTE ON PROCEDURE app.purge(integer) TO ak_writer;
CREATE AGGREGATE app.sum_of(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
ALTER AGGREGATE app.sum_of(integer) OWNER TO ak_owner;
COMMENT ON AGGREGATE app.sum_of(integer) IS 'a sum';
GRANT EXECUTE ON FUNCTION app.sum_of(integer) TO ak_reader;

CREATE FUNCTION app.hex_lt(app.hexint, app.hexint) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION app.hex_eq(app.hexint, app.hexint) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION app.hex_cmp(app.hexint, app.hexint) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE OPERATOR app.<<< (LEFTARG = app.hexint, RIGHTARG = app.hexint, FUNCTION = app.hex_lt);
CREATE OPERATOR app.=== (LEFTARG = app.hexint, RIGHTARG = app.hexint, FUNCTION = app.hex_eq, COMMUTATOR = OPERATOR(app.===));
ALTER OPERATOR app.=== (app.hexint, app.hexint) OWNER TO ak_owner;
COMMENT ON OPERATOR app.=== (app.hexint, app.hexint) IS 'equal';
CREATE OPERATOR FAMILY app.hex_family USING btree;
CREATE OPERATOR CLASS app.hex_ops DEFAULT FOR TYPE app.hexint USING btree FAMILY app.hex_family AS
    OPERATOR 1 app.<<<, OPERATOR 3 app.===, FUNCTION 1 app.hex_cmp(app.hexint, app.hexint);
COMMENT ON OPERATOR CLASS app.hex_ops USING btree IS 'sorts';
COMMENT ON OPERATOR FAMILY app.hex_family USING btree IS 'family';
ALTER OPERATOR FAMILY app.hex_family USING btree OWNER TO ak_owner;
CREATE OPERATOR CLASS app.lone_ops FOR TYPE app.hexint USING hash AS OPERATOR 1 app.===;

CREATE VIEW app.active_customers WITH (security_barrier = true) AS SELECT id, name FROM app.customers WHERE mood <> 'sad';
ALTER VIEW app.active_customers ALTER COLUMN name SET DEFAULT 'nobody';
ALTER VIEW app.active_customers OWNER TO ak_owner;
COMMENT ON VIEW app.active_customers IS 'not sad';
COMMENT ON COLUMN app.active_customers.name IS 'a column of a view';
GRANT SELECT ON app.active_customers TO ak_reader;
CREATE MATERIALIZED VIEW app.order_totals AS SELECT customer_id, count(*) AS orders FROM app.orders GROUP BY customer_id WITH DATA;
CREATE UNIQUE INDEX order_totals_idx ON app.order_totals (customer_id);
COMMENT ON MATERIALIZED VIEW app.order_totals IS 'counts';
-- A view and a function that need each other: pg_dump breaks the circle with a placeholder.
CREATE VIEW app.circular AS SELECT 1 AS n, 'x'::text AS label;
CREATE FUNCTION app.circular_rows() RETURNS SETOF app.circular LANGUAGE sql AS 'SELECT 1, ''x''::text';
CREATE OR REPLACE VIEW app.circular AS SELECT n, label FROM app.circular_rows() AS r(n, label);
COMMENT ON VIEW app.circular IS 'goes round';
-- A view that groups by primary key alone depends on that constraint and comes after the data.
CREATE VIEW app.late_view AS SELECT c.id, c.name, count(o.id) AS orders FROM app.customers c LEFT JOIN app.orders o ON o.customer_id = c.id GROUP BY c.id;

CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touch_first BEFORE INSERT OR UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE TRIGGER touch_second AFTER DELETE ON app.orders FOR EACH STATEMENT EXECUTE FUNCTION app.touch('a', 'b''c');
CREATE CONSTRAINT TRIGGER touch_late AFTER INSERT ON app.orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.orders DISABLE TRIGGER touch_second;
CREATE TRIGGER touch_event AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.touch();
COMMENT ON TRIGGER touch_first ON app.orders IS 'first';
CREATE RULE orders_protect AS ON DELETE TO app.orders WHERE old.note = 'keep' DO INSTEAD NOTHING;
CREATE RULE orders_notify AS ON UPDATE TO app.orders DO ALSO NOTIFY orders_changed;
COMMENT ON RULE orders_protect ON app.orders IS 'keeps what is to be kept';
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.customers FORCE ROW LEVEL SECURITY;
CREATE POLICY own_orders ON app.orders AS PERMISSIVE FOR SELECT TO ak_reader USING (customer_id > 0);
CREATE POLICY "write some" ON app.orders FOR INSERT TO ak_writer, "Ak ""Odd"" Role" WITH CHECK (note IS NOT NULL);
COMMENT ON POLICY own_orders ON app.orders IS 'only own ones';

CREATE TEXT SEARCH PARSER app.words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE app.plain (LEXIZE = dsimple_lexize, INIT = dsimple_init);
CREATE TEXT SEARCH DICTIONARY app.plain_dict (TEMPLATE = app.plain, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION app.search (PARSER = app.words);
ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR asciiword, word WITH app.plain_dict, simple;
ALTER TEXT SEARCH CONFIGURATION app.search OWNER TO ak_owner;
COMMENT ON TEXT SEARCH CONFIGURATION app.search IS 'search';
COMMENT ON TEXT SEARCH DICTIONARY app.plain_dict IS 'words';
COMMENT ON TEXT SEARCH PARSER app.words IS 'splits';
COMMENT ON TEXT SEARCH TEMPLATE app.plain IS 'plain';
CREATE CONVERSION app.latin1_to_utf8 FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION app.latin1_to_utf8 IS 'as the built-in one';

CREATE FUNCTION app.plsample_call() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION app.plsample_inline(internal) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION app.plsample_check(oid) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED PROCEDURAL LANGUAGE plsample HANDLER app.plsample_call INLINE app.plsample_inline VALIDATOR app.plsample_check;
COMMENT ON LANGUAGE plsample IS 'plpgsql by another name';
GRANT USAGE ON LANGUAGE plsample TO ak_owner;
CREATE FUNCTION app.hstore_to_internal(internal) RETURNS internal LANGUAGE internal IMMUTABLE STRICT AS 'prsd_lextype';
CREATE TRANSFORM FOR public.hstore LANGUAGE plsample (FROM SQL WITH FUNCTION app.hstore_to_internal(internal));
CREATE ACCESS METHOD heap_again TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD heap_again IS 'heap by another name';
CREATE TABLE app.other_heap (id integer) USING heap_again;
CREATE TABLE app.usual_heap (id integer);

CREATE FOREIGN DATA WRAPPER empty_wrapper OPTIONS (debug 'true');
COMMENT ON FOREIGN DATA WRAPPER empty_wrapper IS 'does nothing';
CREATE SERVER remote TYPE 'pg' VERSION '15' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'db.example.org', dbname 'shop', port '5432');
ALTER SERVER remote OWNER TO ak_owner;
COMMENT ON SERVER remote IS 'far away';
GRANT USAGE ON FOREIGN SERVER remote TO ak_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO ak_owner;
CREATE USER MAPPING FOR ak_reader SERVER remote OPTIONS (user 'shop', password 'hunter2-secret');
CREATE USER MAPPING FOR PUBLIC SERVER remote OPTIONS (user 'anybody', password 'public''s secret');
CREATE FOREIGN TABLE app.remote_items (id integer OPTIONS (column_name 'item_id') NOT NULL, label text) SERVER remote OPTIONS (schema_name 'shop', table_name 'items');
COMMENT ON FOREIGN TABLE app.remote_items IS 'items elsewhere';
GRANT SELECT ON app.remote_items TO ak_reader;

CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER watch_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION app.on_ddl();
ALTER EVENT TRIGGER watch_ddl DISABLE;
COMMENT ON EVENT TRIGGER watch_ddl IS 'watches';

CREATE PUBLICATION some_tables FOR TABLE app.customers, app.usual_heap WITH (publish = 'insert, update');
CREATE PUBLICATION everything FOR ALL TABLES;
COMMENT ON PUBLICATION some_tables IS 'two tables';
ALTER PUBLICATION some_tables OWNER TO ak_owner;
CREATE SUBSCRIPTION incoming CONNECTION 'host=db.example.org dbname=shop user=repl password=subscription-secret' PUBLICATION some_tables
    WITH (connect = false, enabled = false, slot_name = NONE);
COMMENT ON SUBSCRIPTION incoming IS 'from the shop';

ALTER DEFAULT PRIVILEGES FOR ROLE ak_owner IN SCHEMA app GRANT SELECT ON TABLES TO ak_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE ak_owner GRANT EXECUTE ON FUNCTIONS TO ak_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE ak_owner REVOKE USAGE ON TYPES FROM PUBLIC;

CREATE TABLE "Mixed Case"."Odd ""Table"" / name" ("Column One" integer, "select" text, "ünïcode 🐘" text);
CREATE VIEW "Mixed Case"."View" AS SELECT "Column One" FROM "Mixed Case"."Odd ""Table"" / name";
CREATE TABLE "Mixed Case".twin (id integer);
CREATE TABLE "Mixed Case"."Twin" (id integer);
CREATE TABLE "Mixed Case"."user" (id integer, "order" integer);
CREATE FUNCTION "Mixed Case"."Do It"("Arg" "Mixed Case"."Twin") RETURNS integer LANGUAGE sql AS 'SELECT 1';
COMMENT ON COLUMN "Mixed Case"."Odd ""Table"" / name"."Column One" IS E'quotes '' and " and \\ and\ttab';

-- Data that is awkward in COPY text.
INSERT INTO app.customers (name, email, mood, balance, tags) VALUES
    ('Ann', 'ann@example.org', 'happy', ROW(12.50, 'EUR'), 'a=>1, "b c"=>"d\"e"'),
    (E'tab\there, newline\nthere, return\rtoo, \\. and \\\\N', NULL, 'it''s fine', NULL, NULL),
    ('🐘 ünï', 'u@example.org', NULL, ROW(NULL, 'USD'), '');
INSERT INTO app.orders (customer_id, ordered_at, note, payload, period) VALUES
    (1, '2024-05-01 12:00+02', E'\\.', '\x00ff5c6e0a', '[2024-01-01 00:00+00, 2024-02-01 00:00+00)'),
    (1, '2024-06-01 12:00+02', NULL, NULL, NULL),
    (3, '2024-07-01 12:00+02', 'it''s; -- not a comment', '\xdeadbeef', '[2025-01-01 00:00+00, 2025-02-01 00:00+00)');
INSERT INTO app.events SELECT g, timestamptz '2024-01-01 00:00+00' + g * interval '1 day', CASE g % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' ELSE 'c' END FROM generate_series(0, 99) g;
INSERT INTO app.hashed SELECT generate_series(1, 50);
INSERT INTO "Mixed Case"."Odd ""Table"" / name" VALUES (1, 'one', 'eins'), (NULL, NULL, NULL);
SELECT setval('app.ticket_number', 1010, true);
REFRESH MATERIALIZED VIEW app.order_totals;
SELECT lo_from_bytea(424201, decode(repeat('00ff27', 9000), 'hex'));
SELECT lo_from_bytea(424202, 'short');
SELECT lo_create(424203);
COMMENT ON LARGE OBJECT 424202 IS 'a large object';
GRANT SELECT ON LARGE OBJECT 424202 TO ak_reader;
ALTER LARGE OBJECT 424201 OWNER TO ak_owner;
