using System.Diagnostics;
using System.Globalization;
using OmniPg;
using OmniPg.Partman;
using OmniPg.Partman.Tests.Converting;
using OmniPg.Testing;

/// <summary>A conversion, idle and under writers, beside a plain copy of the same rows in batches into a table of the same shape.</summary>
internal static class ConversionBench
{
    private const int BatchSize = 10_000;

    public static async Task RunAsync(int rows)
    {
        await using var cluster = await PgCluster.StartAsync();
        foreach (var writers in new[] { 0, 4 })
        {
            await using var database = await cluster.CreateDatabaseAsync();
            await database.ExecuteAsync(ShadowWriters.Tables.Replace("{rows}", rows.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
            await database.ExecuteAsync("VACUUM (ANALYZE) orders");
            var months = Math.Max(1, rows * 7 / 43_200 / 100);
            var set = new PartitionSetOptions { Control = "at", Interval = PgInterval.OfMonths(months) };
            var partman = new PartmanClient(database.DataSource, new PartmanOptions { LockTimeout = TimeSpan.FromSeconds(1), LockAttempts = 100 });
            var steps = new Dictionary<ConversionStep, double>();
            await using var load = new ShadowWriters(database.ConnectionString, writers, rows, seed: 1);
            var clock = Stopwatch.StartNew();
            var (before, step) = (0.0, ConversionStep.Create);
            await partman.ConvertAsync(QualifiedName.Parse("public.orders"), new ConversionOptions { Set = set, BatchSize = BatchSize }, new Parts(p =>
            {
                steps[p.Step] = steps.GetValueOrDefault(p.Step) + clock.Elapsed.TotalSeconds - before;
                (before, step) = (clock.Elapsed.TotalSeconds, p.Step);
            }));
            var whole = clock.Elapsed.TotalSeconds;
            await load.StopAsync();
            var differences = await database.ScalarAsync<long>(ShadowWriters.Differences);
            // The same copy without log, notes and comparison, into the table that the conversion made.
            await database.ExecuteAsync("CREATE TABLE plain (LIKE orders INCLUDING ALL) PARTITION BY RANGE (at); CREATE TABLE plain_1 PARTITION OF plain DEFAULT");
            clock.Restart();
            for (var from = 0; from < rows; from += BatchSize)
                await database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO plain OVERRIDING SYSTEM VALUE SELECT * FROM orders_omnipg_old WHERE id > {from} AND id <= {from + BatchSize}"));
            var plain = clock.Elapsed.TotalSeconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {rows:N0} rows, {writers} writers | INSERT … SELECT {plain:0.0} s | conversion {whole:0.0} s ({rows / whole:N0} rows/s): {string.Join(", ", steps.Select(s => $"{s.Key} {s.Value:0.0}"))}, swap {whole - before:0.0} | longest transaction {load.Longest.TotalSeconds:0.00} s of {load.Done} | {differences} different |"));
        }
    }

    private sealed class Parts(Action<ConversionProgress> act) : IProgress<ConversionProgress>
    {
        public void Report(ConversionProgress value) => act(value);
    }
}
