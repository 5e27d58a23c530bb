using System.Globalization;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

/// <summary>A refresh of many changes beside the extension's, in turn on the same two servers.</summary>
internal static class ChangesBench
{
    /// <summary>Usage: -- changes [COUNT] [ROUNDS] [--statements]</summary>
    public static async Task RunAsync(string[] args)
    {
        var count = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 200_000;
        var rounds = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 3;
        await using var one = await PgCluster.StartAsync(StatementLog.For(args));
        await using var two = await PgCluster.StartAsync(StatementLog.For(args));
        await using var source = await one.CreateDatabaseAsync();
        await using var destination = await two.CreateDatabaseAsync();
        foreach (var table in (string[])["ours", "theirs"])
            await source.ExecuteAsync($"CREATE TABLE {table} (id int PRIMARY KEY, at timestamptz, name text, amount numeric(12, 2)); INSERT INTO {table} SELECT i, now(), 'customer number ' || i, i / 100.0 FROM generate_series(1, 1000000) i");
        await source.ExecuteAsync("CREATE SCHEMA mimeo");
        await source.ExecuteAsync("VACUUM (ANALYZE)");
        await destination.ExecuteAsync("CREATE SCHEMA dblink; CREATE EXTENSION dblink SCHEMA dblink; CREATE SCHEMA mimeo; CREATE EXTENSION mimeo SCHEMA mimeo");
        await destination.ExecuteAsync($"INSERT INTO mimeo.dblink_mapping_mimeo (data_source, username) VALUES ('host=127.0.0.1 port={one.Port} dbname={source.Name}', 'postgres'); SELECT mimeo.dml_maker('public.theirs', 1)");
        var client = new MimeoClient(destination.DataSource);
        await client.EnsureCreatedAsync();
        var name = QualifiedName.Parse("public.ours");
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Dml, From = "1", Source = name });

        var (ours, theirs) = (new List<Cost>(), new List<Cost>());
        for (var round = 0; round < rounds; round++)
        {
            foreach (var table in (string[])["ours", "theirs"])
            {
                await source.ExecuteAsync(
                    $"UPDATE {table} SET amount = amount + 1 WHERE id % (1000000 / ({count} * 3 / 4)) = {round} AND id <= 1000000; DELETE FROM {table} WHERE id BETWEEN 1 + {round} * {count} / 8 AND ({round} + 1) * {count} / 8; INSERT INTO {table} SELECT 2000000 + {round} * {count} + i, now(), 'new', i FROM generate_series(1, {count} / 8) i");
            }
            var began = DateTimeOffset.UtcNow;
            ours.Add(await Cost.OfAsync([one, two], () => client.RefreshAsync(name)));
            StatementLog.Print(args, began, one, two);
            theirs.Add(await Cost.OfAsync([one, two], () => destination.ExecuteAsync("SELECT mimeo.refresh_dml('public.theirs')")));
            var result = await client.ValidateAsync(name, new ValidationOptions { Checksum = true });
            if (!result.IsEqual)
                throw new InvalidOperationException($"{result}");
        }
        var (median, other) = (Cost.Median(ours), Cost.Median(theirs));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| about {count:N0} changes of 1,000,000 rows | refresh_dml {other} | RefreshAsync {median} | ratio {other.Seconds / median.Seconds:0.0}, of processor time {other.Processor / median.Processor:0.0} |"));
    }
}
