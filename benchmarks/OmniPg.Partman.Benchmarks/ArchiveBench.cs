using System.Diagnostics;
using System.Globalization;
using OmniPg;
using OmniPg.Partman;
using OmniPg.Testing;

/// <summary>An archive of a partition (written, read back, compared, dropped) beside <c>psql COPY | zstd -1</c>, which only writes.</summary>
internal static class ArchiveBench
{
    public static async Task RunAsync(int rows, int rounds)
    {
        await using var cluster = await PgCluster.StartAsync();
        using var folder = new TemporaryDirectory();
        var (ours, plain, raw) = (new List<double>(), new List<double>(), 0L);
        for (var round = 0; round < rounds; round++)
        {
            await using var database = await cluster.CreateDatabaseAsync();
            var store = new DirectoryObjectStore(Directory.CreateDirectory(folder.Combine($"{round}")).FullName);
            var partman = new PartmanClient(database.DataSource, archive: store);
            await database.ExecuteAsync("CREATE TABLE ours (id bigint NOT NULL, at timestamptz NOT NULL, note text) PARTITION BY RANGE (id)");
            await partman.CreateAsync(Bench.Ours, new PartitionSetOptions { Control = "id", IdInterval = rows, IdRetention = 1, WhenExpired = ExpiredAction.Archive });
            await database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO ours SELECT n, now() + n * interval '1 second', md5(n::text) || md5((n / 7)::text) FROM generate_series(0, {rows - 1}) n; INSERT INTO ours VALUES ({(long)rows * 3}, now(), '')"));
            // The partitions that the newest row asks for are made before: only the archive is to be told.
            await database.ExecuteAsync("UPDATE omnipg_partman.part_config SET retention = NULL");
            await partman.MaintainAsync();
            await database.ExecuteAsync("UPDATE omnipg_partman.part_config SET retention = '1'");
            await database.ExecuteAsync("VACUUM (ANALYZE) ours_p0");
            // First, because behind the archive the partition is gone.
            raw = await database.ScalarAsync<long>("SELECT pg_table_size('ours_p0')");
            var file = folder.Combine($"plain{round}.zst");
            plain.Add(await Bench.SecondsAsync(async () =>
            {
                var line = $"set -o pipefail; '{Path.Combine(cluster.BinDirectory, "psql")}' -X -h 127.0.0.1 -p {cluster.Port} -U postgres -d {database.Name} -c 'COPY ours_p0 TO STDOUT' | zstd -q -1 -o '{file}' && sync '{file}'";
                using var shell = Process.Start(new ProcessStartInfo("bash", ["-c", line]))!;
                await shell.WaitForExitAsync();
                if (shell.ExitCode != 0)
                    throw new InvalidOperationException($"psql | zstd ended with {shell.ExitCode}.");
            }));
            ours.Add(await Bench.SecondsAsync(async () =>
            {
                var result = (await partman.MaintainAsync()).Sets.Single();
                if (result.Error is not null || !result.Changes.Any(c => c.Fate == PartitionFate.Archive && c.Partition.Name.Value == "ours_p0"))
                    throw new InvalidOperationException($"The partition was not archived: {result.Error}");
            }));
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"PostgreSQL {cluster.MajorVersion}, {rows:N0} rows, {raw / 1048576.0:0} MiB, {rounds} rounds"));
        Bench.Row("psql | zstd -1", "archive, read back, compared, dropped", "speed of the archive as a part of that of psql");
        Bench.Row(Bench.Text(plain), Bench.Text(ours), Bench.Ratio(Bench.Median(plain), Bench.Median(ours)));
    }
}
