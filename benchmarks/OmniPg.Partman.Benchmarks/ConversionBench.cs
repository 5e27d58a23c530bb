using System.Diagnostics;
using System.Globalization;
using OmniPg;
using OmniPg.Partman;
using OmniPg.Partman.Tests.Converting;
using OmniPg.Testing;

/// <summary>A conversion, idle and under writers, beside a plain copy of the same rows in batches into a table of the same shape, and beside the extension's way.</summary>
internal static class ConversionBench
{
    private const int BatchSize = 10_000;

    public static async Task RunAsync(int rows)
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Settings = new Dictionary<string, string> { ["shared_buffers"] = "512MB" } });
        // The first one makes the server's files of WAL, and compiles this program: it is not told.
        foreach (var (writers, isTold) in new[] { (0, false), (0, true), (4, true) })
        {
            var (database, extension) = await Bench.DatabaseAsync(cluster);
            await using var disposing = database;
            await database.ExecuteAsync(ShadowWriters.Tables.Replace("{rows}", rows.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
            await database.ExecuteAsync("VACUUM (ANALYZE) orders");
            var months = Math.Max(1, rows * 7 / 43_200 / 100);
            var set = new PartitionSetOptions { Control = "at", Interval = PgInterval.OfMonths(months) };
            var partman = new PartmanClient(database.DataSource, new PartmanOptions { Store = PartmanStore.Own, LockTimeout = TimeSpan.FromSeconds(1), LockAttempts = 100 });
            var steps = new Dictionary<ConversionStep, double>();
            await using var load = new ShadowWriters(database.ConnectionString, writers, rows, seed: 1);
            var wal = await WalAsync(database);
            var clock = Stopwatch.StartNew();
            var before = 0.0;
            await partman.ConvertAsync(QualifiedName.Parse("public.orders"), new ConversionOptions { Set = set }, new Parts(p =>
            {
                steps[p.Step] = steps.GetValueOrDefault(p.Step) + clock.Elapsed.TotalSeconds - before;
                before = clock.Elapsed.TotalSeconds;
            }));
            var whole = clock.Elapsed.TotalSeconds;
            // Told of the last step only when it begins.
            steps[ConversionStep.Swap] = steps.GetValueOrDefault(ConversionStep.Swap) + whole - before;
            await load.StopAsync();
            var walOfConversion = await WalAsync(database) - wal;
            var differences = await database.ScalarAsync<long>(ShadowWriters.Differences);
            // The same copy without log, notes and comparison, into a table of the same partitions and indexes.
            await database.ExecuteAsync("CREATE TABLE plain (LIKE orders INCLUDING ALL) PARTITION BY RANGE (at); DO $$DECLARE t text; BEGIN FOR t IN SELECT format('CREATE TABLE %I PARTITION OF plain %s', 'plain' || row_number() OVER (), pg_get_expr(c.relpartbound, c.oid)) "
                + "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'orders'::regclass LOOP EXECUTE t; END LOOP; END$$");
            wal = await WalAsync(database);
            clock.Restart();
            for (var from = 0L; from < rows; from += BatchSize)
                await database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO plain OVERRIDING SYSTEM VALUE SELECT * FROM orders_omnipg_old WHERE id > {from} AND id <= {from + BatchSize}"));
            var (plain, walOfPlain) = (clock.Elapsed.TotalSeconds, await WalAsync(database) - wal);
            var (theirs, walOfTheirs) = (double.NaN, 0L);
            if (extension is not null && writers == 0)
            {
                // As its manual has it: rows go from the table to the new one by DELETE and INSERT, an interval in a transaction.
                await database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"CREATE TABLE theirs (LIKE orders INCLUDING ALL) PARTITION BY RANGE (at); SELECT partman.create_parent('public.theirs', 'at', '{months} months', p_start_partition => (SELECT min(at)::text FROM orders_omnipg_old))"));
                wal = await WalAsync(database);
                await using var slow = Npgsql.NpgsqlDataSource.Create(database.ConnectionString + ";Command Timeout=0");
                await using var call = slow.CreateCommand("CALL partman.partition_data_proc('public.theirs', p_source_table => 'public.orders_omnipg_old', p_wait => 0)");
                theirs = await Bench.SecondsAsync(() => call.ExecuteNonQueryAsync());
                walOfTheirs = await WalAsync(database) - wal;
                if (await database.ScalarAsync<long>("SELECT count(*) FROM theirs") != rows)
                    throw new InvalidOperationException("partition_data_proc did not move all rows.");
            }
            if (!isTold)
                continue;
            if (writers == 0)
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"PostgreSQL {cluster.MajorVersion}, pg_partman {extension ?? "not here"}, {rows:N0} rows"));
                Bench.Row("Writers", "INSERT … SELECT in batches", "partition_data_proc", "conversion", "times the speed of partition_data_proc", "times the time of INSERT … SELECT", "its parts", "writers' transactions", "different rows");
            }
            Bench.Row(
                $"{writers}", Told(plain, walOfPlain), double.IsNaN(theirs) ? "–" : Told(theirs, walOfTheirs), $"{Told(whole, walOfConversion)}, {(rows / whole).ToString("N0", CultureInfo.InvariantCulture)} rows/s", Bench.Ratio(theirs, whole), Bench.Ratio(whole, plain),
                string.Join(", ", steps.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Key} {s.Value:0.0}"))),
                writers == 0 ? "–" : string.Create(CultureInfo.InvariantCulture, $"{load.Done}, the longest of {load.Longest.TotalSeconds:0.00} s"), $"{differences}");
        }
    }

    private static string Told(double seconds, long wal) => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.00} s, {wal >> 20} MiB of WAL");

    private static Task<long> WalAsync(TestDatabase database) => database.ScalarAsync<long>("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint");

    private sealed class Parts(Action<ConversionProgress> act) : IProgress<ConversionProgress>
    {
        public void Report(ConversionProgress value) => act(value);
    }
}
