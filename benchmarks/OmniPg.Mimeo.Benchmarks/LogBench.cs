using System.Globalization;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

/// <summary>Changes of many transactions, applied by a refresh of a logical table and by a subscription of the server, in turn on the same two servers.</summary>
internal static class LogBench
{
    private const int Transactions = 1000;

    /// <summary>Usage: -- logical [COUNT] [ROUNDS] [--statements]</summary>
    public static async Task RunAsync(string[] args)
    {
        string[] numbers = [.. args.Skip(1).Where(static a => !a.StartsWith("--", StringComparison.Ordinal))];
        var count = numbers.Length > 0 ? int.Parse(numbers[0], CultureInfo.InvariantCulture) : 200_000;
        var rounds = numbers.Length > 1 ? int.Parse(numbers[1], CultureInfo.InvariantCulture) : 3;
        await using var one = await PgCluster.StartAsync(StatementLog.For(args));
        await using var two = await PgCluster.StartAsync(StatementLog.For(args));
        await using var source = await one.CreateDatabaseAsync();
        await using var destination = await two.CreateDatabaseAsync();
        foreach (var table in (string[])["ours", "theirs"])
        {
            await source.ExecuteAsync($"CREATE TABLE {table} (id int PRIMARY KEY, at timestamptz, name text, amount numeric(12, 2)); INSERT INTO {table} SELECT i, now(), 'customer number ' || i, i / 100.0 FROM generate_series(1, 1000000) i");
        }
        await source.ExecuteAsync("CREATE PUBLICATION theirs FOR TABLE theirs");
        await source.ExecuteAsync(
            """
            CREATE PROCEDURE change(name text, round int, transactions int, rows int) LANGUAGE plpgsql AS $$
            BEGIN
                FOR t IN 1 .. transactions LOOP
                    EXECUTE format('UPDATE %I SET amount = amount + 1 WHERE id IN (SELECT (%s * 7919 + i * 4999) %% 900000 + 1 FROM generate_series(1, %s) i)', name, t * 31 + round, rows * 3 / 4);
                    EXECUTE format('DELETE FROM %I WHERE id BETWEEN %s AND %s', name, 900001 + (round * transactions + t) * (rows / 8), 900000 + (round * transactions + t + 1) * (rows / 8));
                    EXECUTE format('INSERT INTO %I SELECT %s + i, now(), ''new'', i FROM generate_series(1, %s) i', name, 2000000 + (round * transactions + t) * rows, rows / 8);
                    COMMIT;
                END LOOP;
            END $$
            """);
        await source.ExecuteAsync("VACUUM (ANALYZE)");
        await destination.ExecuteAsync("CREATE TABLE theirs (id int PRIMARY KEY, at timestamptz, name text, amount numeric(12, 2))");
        await destination.ExecuteAsync($"CREATE SUBSCRIPTION theirs CONNECTION 'host=127.0.0.1 port={one.Port} dbname={source.Name} user=postgres' PUBLICATION theirs");
        await Eventually.TrueAsync(async () => await destination.ScalarAsync<bool>("SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel"), "the first rows", limit: TimeSpan.FromMinutes(2));
        await destination.ExecuteAsync("ALTER SUBSCRIPTION theirs DISABLE");
        var client = new MimeoClient(destination.DataSource);
        await client.EnsureCreatedAsync();
        await client.AddSourceAsync("one", source.ConnectionString);
        var name = QualifiedName.Parse("public.ours");
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Logical, From = "one", Source = name });

        var (ours, theirs) = (new List<Cost>(), new List<Cost>());
        for (var round = 0; round < rounds; round++)
        {
            await ChangeAsync(source, "theirs", round, count);
            var end = await source.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text");
            theirs.Add(await Cost.OfAsync([one, two], async () =>
            {
                await destination.ExecuteAsync("ALTER SUBSCRIPTION theirs ENABLE");
                while (!await source.ScalarAsync<bool>($"SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = 'theirs'"))
                    await Task.Delay(10);
            }));
            await destination.ExecuteAsync("ALTER SUBSCRIPTION theirs DISABLE");
            await ChangeAsync(source, "ours", round, count);
            var began = DateTimeOffset.UtcNow;
            ours.Add(await Cost.OfAsync([one, two], () => client.RefreshAsync(name)));
            StatementLog.Print(args, began, one, two);
            if (!(await client.ValidateAsync(name, new ValidationOptions { Checksum = true })).IsEqual)
                throw new InvalidOperationException("The sides differ.");
        }
        await destination.ExecuteAsync("DROP SUBSCRIPTION theirs");
        var (median, other) = (Cost.Median(ours), Cost.Median(theirs));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| about {count:N0} changes in {Transactions:N0} transactions, 1,000,000 rows | subscription {other} | RefreshAsync {median} | ratio {other.Seconds / median.Seconds:0.0}, of processor time {other.Processor / median.Processor:0.0} | rounds {string.Join(", ", theirs)} / {string.Join(", ", ours)} |"));
    }

    private static async Task ChangeAsync(TestDatabase source, string table, int round, int count)
    {
        await using var command = source.DataSource.CreateCommand($"CALL change('{table}', {round}, {Transactions}, {count / Transactions})");
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync();
    }
}
