namespace SchemaToGit;

/// <summary>A small schema and a day of work on it.</summary>
internal static class Shop
{
    public const string FirstDay = """
        CREATE SCHEMA shop;
        CREATE TYPE shop.status AS ENUM ('new', 'paid', 'sent');
        CREATE TABLE shop.customers (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
        CREATE TABLE shop.orders (id bigserial PRIMARY KEY, customer_id integer NOT NULL REFERENCES shop.customers, status shop.status DEFAULT 'new');
        CREATE TABLE shop.imports (line text);
        CREATE VIEW shop.open_orders AS SELECT id, customer_id FROM shop.orders WHERE status <> 'sent';
        CREATE FUNCTION shop.total(integer) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM shop.orders WHERE customer_id = $1';
        """;

    public const string SecondDay = """
        ALTER TABLE shop.orders ADD note text;
        CREATE INDEX orders_customer ON shop.orders (customer_id);
        COMMENT ON VIEW shop.open_orders IS 'What is still to be done';
        GRANT SELECT ON shop.customers TO PUBLIC;
        DROP TABLE shop.imports;
        CREATE TABLE shop.returns (order_id bigint REFERENCES shop.orders, reason text);
        """;
}
