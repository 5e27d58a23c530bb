-- What servers know from 15 on; run after all-kinds.sql.
CREATE PUBLICATION whole_schema FOR TABLES IN SCHEMA app, TABLE "Mixed Case".twin;
CREATE PUBLICATION filtered FOR TABLE app.orders (id, customer_id, note) WHERE (id > 10);
CREATE TABLE app.fifteen (id integer, CONSTRAINT fifteen_unique UNIQUE NULLS NOT DISTINCT (id));
CREATE VIEW app.fifteen_view WITH (security_invoker = true) AS SELECT id FROM app.fifteen;
