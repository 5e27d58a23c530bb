using System.Diagnostics;
using System.Globalization;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

/// <summary>What a queue costs those who write at the source: the same statements on a table without one, with that of a dml, of a dml of some columns, and of a logdel, in turn.</summary>
internal static class TriggerBench
{
    /// <summary>Usage: -- trigger [ROWS] [ROUNDS]</summary>
    public static async Task RunAsync(string[] args)
    {
        var rows = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 100_000;
        var rounds = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 5;
        await using var one = await PgCluster.StartAsync();
        await using var source = await one.CreateDatabaseAsync();
        await using var destination = await one.CreateDatabaseAsync();
        var client = new MimeoClient(destination.DataSource);
        await client.EnsureCreatedAsync();
        await client.AddSourceAsync("one", source.ConnectionString);
        var tables = (string[])["plain", "dml", "narrow", "logdel"];
        foreach (var table in tables)
        {
            await source.ExecuteAsync($"CREATE TABLE {table} (id int PRIMARY KEY, at timestamptz, name text, amount numeric(12, 2), n int, flag boolean)");
            if (table != "plain")
                await client.CreateAsync(new ReplicationSpec { Kind = table == "logdel" ? ReplicationKind.Logdel : ReplicationKind.Dml, From = "one", Source = QualifiedName.Create("public", table), Columns = table == "narrow" ? ["id", "amount"] : [] });
        }
        var times = new Dictionary<(string Table, string Statement), List<double>>();
        for (var round = 0; round <= rounds; round++)
        {
            foreach (var table in tables)
            {
                foreach (var (statement, sql) in ((string, string)[])[("INSERT", $"INSERT INTO {table} SELECT i, now(), 'customer number ' || i, i / 100.0, i % 1000, i % 2 = 0 FROM generate_series(1, {rows}) i"), ("UPDATE", $"UPDATE {table} SET amount = amount + 1"), ("DELETE", $"DELETE FROM {table}")])
                {
                    var clock = Stopwatch.StartNew();
                    await source.ExecuteAsync(sql);
                    // The first round plans and fills caches.
                    if (round > 0)
                        (times.TryGetValue((table, statement), out var list) ? list : times[(table, statement)] = []).Add(clock.Elapsed.TotalMicroseconds / rows);
                }
                await source.ExecuteAsync($"VACUUM {table}");
                if (table != "plain")
                    await source.ExecuteAsync($"TRUNCATE omnipg_mimeo.public_{table}_q");
            }
        }
        foreach (var (key, list) in times)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {key.Table} | {key.Statement} | {list.Order().ElementAt(list.Count / 2):0.00} µs a row |"));
    }
}
