using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

/// <summary>What it costs to find that nothing has changed: one snapshot again and again, then many of them that are due.</summary>
internal static class IdleBench
{
    /// <summary>Usage: -- idle [TABLES] [ROUNDS]</summary>
    public static async Task RunAsync(string[] args)
    {
        var tables = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 500;
        var rounds = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 5;
        await using var one = await PgCluster.StartAsync();
        await using var two = await PgCluster.StartAsync();
        await using var source = await one.CreateDatabaseAsync();
        await using var destination = await two.CreateDatabaseAsync();
        foreach (var pooled in (bool[])[true, false])
        {
            var options = new MimeoOptions { Schema = pooled ? "omnipg_mimeo" : "omnipg_unpooled", Sources = pooled ? new Dictionary<string, NpgsqlDataSource> { ["one"] = source.DataSource } : new Dictionary<string, NpgsqlDataSource>() };
            var client = new MimeoClient(destination.DataSource, options);
            await client.EnsureCreatedAsync();
            await client.AddSourceAsync("one", source.ConnectionString);
            var names = Enumerable.Range(1, tables).Select(n => QualifiedName.Create("public", string.Create(CultureInfo.InvariantCulture, $"{(pooled ? "t" : "u")}{n}"))).ToArray();
            foreach (var name in names)
            {
                await source.ExecuteAsync($"CREATE TABLE {name.Quoted} AS SELECT i FROM generate_series(1, 100) i");
                await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Snapshot, From = "one", Source = name, Period = "1 microsecond" });
            }
            // Counters of the writes arrive late: until then a refresh reads.
            while ((await client.RefreshDueAsync(new DueOptions { MaxParallelTables = 4 })).Results.Any(r => r.Status != RefreshStatus.SkippedUnchanged))
                await Task.Delay(1000);

            var (single, due, trip) = (new List<double>(), new List<double>(), new List<double>());
            for (var round = 0; round < 200; round++)
            {
                trip.Add(await MillisecondsAsync(() => source.ScalarAsync<int>("SELECT 1")));
                single.Add(await MillisecondsAsync(() => client.RefreshAsync(names[0])));
            }
            for (var round = 0; round < rounds; round++)
            {
                due.Add(await MillisecondsAsync(async () =>
                {
                    var result = await client.RefreshDueAsync(new DueOptions { MaxParallelTables = 4 });
                    if (result.Results.Count != tables || result.Results.Any(r => r.Status != RefreshStatus.SkippedUnchanged))
                        throw new InvalidOperationException("Something was read.");
                }));
            }
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {(pooled ? "a data source for the source" : "stored connection")} | unchanged snapshot {Median(single):0.0} ms, a round trip {Median(trip):0.00} ms | {tables} due, 4 at once, nothing changed: {Median(due):0} ms |"));
        }
    }

    private static async Task<double> MillisecondsAsync(Func<Task> work)
    {
        var clock = Stopwatch.StartNew();
        await work();
        return clock.Elapsed.TotalMilliseconds;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
