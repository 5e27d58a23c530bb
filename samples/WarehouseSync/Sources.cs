using OmniPg.Testing;

namespace WarehouseSync;

/// <summary>The two databases that the warehouse pulls from, and somebody who writes them.</summary>
internal static class Sources
{
    public static async Task<TestDatabase> CreateShopAsync(PgCluster server, CancellationToken cancellationToken)
    {
        var shop = await server.CreateDatabaseAsync(cancellationToken: cancellationToken);
        await shop.ExecuteAsync(
            """
            CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(10, 2));
            CREATE TABLE orders (id bigint PRIMARY KEY, customer int, amount numeric(10, 2), status text, changed bigint NOT NULL);
            CREATE TABLE clicks (id bigint PRIMARY KEY, product int, at timestamptz DEFAULT clock_timestamp());
            CREATE TABLE stock (product int PRIMARY KEY, pieces int);
            CREATE SEQUENCE change;
            INSERT INTO products SELECT i, 'product ' || i, i FROM generate_series(1, 200) i;
            INSERT INTO stock SELECT i, 100 FROM generate_series(1, 200) i;
            INSERT INTO orders SELECT i, i % 500, i, 'new', nextval('change') FROM generate_series(1, 20000) i;
            INSERT INTO clicks SELECT i, i % 200 FROM generate_series(1, 50000) i;
            """, cancellationToken);
        return shop;
    }

    public static async Task<TestDatabase> CreateCrmAsync(PgCluster server, CancellationToken cancellationToken)
    {
        var crm = await server.CreateDatabaseAsync(cancellationToken: cancellationToken);
        await crm.ExecuteAsync(
            """
            CREATE TABLE countries (code text PRIMARY KEY, name text);
            CREATE TABLE customers (id int PRIMARY KEY, name text, email text, country text);
            CREATE TABLE contracts (id int PRIMARY KEY, customer int, signed date);
            INSERT INTO countries VALUES ('de', 'Germany'), ('fr', 'France'), ('pl', 'Poland');
            INSERT INTO customers SELECT i, 'customer ' || i, 'c' || i || '@example.org', (ARRAY['de', 'fr', 'pl'])[1 + i % 3] FROM generate_series(1, 5000) i;
            INSERT INTO contracts SELECT i, i, date '2026-01-01' + i % 300 FROM generate_series(1, 2000) i;
            """, cancellationToken);
        return crm;
    }

    /// <summary>Business goes on until it is told to stop.</summary>
    /// <returns>Number of transactions.</returns>
    public static async Task<int> WriteAsync(TestDatabase shop, TestDatabase crm, CancellationToken stop)
    {
        var done = 0;
        for (; !stop.IsCancellationRequested; done++)
        {
            // Each transaction is finished: only the next one is not begun.
            await shop.ExecuteAsync(
                $"""
                INSERT INTO orders SELECT 20001 + {done}, {done} % 500, 9.99, 'new', nextval('change');
                UPDATE orders SET status = 'sent', changed = nextval('change') WHERE id = {done} * 7 % 20000;
                INSERT INTO clicks SELECT 50001 + {done}, {done} % 200;
                UPDATE stock SET pieces = pieces - 1 WHERE product = {done} % 200;
                UPDATE products SET price = price + 1 WHERE id = {done} % 200 AND {done} % 50 = 0;
                """, CancellationToken.None);
            await crm.ExecuteAsync(
                $"""
                UPDATE customers SET name = name || '.' WHERE id = {done} * 13 % 5000;
                DELETE FROM customers WHERE id = 4000 + {done} % 1000 AND {done} % 5 = 0;
                DELETE FROM contracts WHERE id = {done} AND {done} % 10 = 0;
                INSERT INTO contracts SELECT 10000 + {done}, 1, current_date;
                """, CancellationToken.None);
        }
        return done;
    }
}
