using System.Diagnostics;
using System.Globalization;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

/// <summary>One large table: set up by one stream and by several, a snapshot refreshed so, and pgcopydb where it is installed, in turn on the same two servers.</summary>
internal static class ChunkBench
{
    /// <summary>Usage: -- chunks [MILLION ROWS] [STREAMS] [ROUNDS]</summary>
    public static async Task RunAsync(string[] args)
    {
        var rows = args.Length > 1 ? (long)(double.Parse(args[1], CultureInfo.InvariantCulture) * 1_000_000) : 5_000_000;
        var streams = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 4;
        var rounds = args.Length > 3 ? int.Parse(args[3], CultureInfo.InvariantCulture) : 3;
        await using var one = await PgCluster.StartAsync();
        await using var two = await PgCluster.StartAsync();
        await using var source = await one.CreateDatabaseAsync();
        await using var destination = await two.CreateDatabaseAsync();
        await using (var fill = source.DataSource.CreateCommand($"CREATE TABLE t AS SELECT i AS id, repeat('x', 300) || i AS w, now() AS at FROM generate_series(1, {rows}) i"))
        {
            fill.CommandTimeout = 0;
            await fill.ExecuteNonQueryAsync();
        }
        await source.ExecuteAsync("VACUUM (ANALYZE) t");
        var name = QualifiedName.Parse("public.t");
        var clients = new Dictionary<int, MimeoClient>();
        foreach (var most in (int[])[1, streams])
        {
            clients[most] = new MimeoClient(destination.DataSource, new MimeoOptions { SplitLargerThanBytes = 1, MaxParallelChunks = most });
            await clients[most].EnsureCreatedAsync();
        }
        await clients[1].AddSourceAsync("one", source.ConnectionString);
        var hasPgcopydb = Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(p => File.Exists(Path.Combine(p, "pgcopydb")));

        var costs = new Dictionary<string, List<Cost>>();
        for (var round = 0; round < rounds; round++)
        {
            foreach (var (most, client) in clients)
            {
                await MeasureAsync($"set-up, streams: {most}", () => client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Table, From = "one", Source = name }));
                await client.DropAsync(name, keepTable: false);
                await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Snapshot, From = "one", Source = name }, new CreateOptions { PullData = false });
                await MeasureAsync($"refresh of a snapshot, streams: {most}", () => client.RefreshAsync(name, new RefreshOptions { SkipUnchanged = false }));
                if (await destination.ScalarAsync<long>("SELECT count(*) FROM t") != rows)
                    throw new InvalidOperationException("Rows are missing.");
                await client.DropAsync(name, keepTable: false);
            }
            if (!hasPgcopydb)
                continue;
            await destination.ExecuteAsync("CREATE TABLE t (id int, w text, at timestamptz)");
            var work = Directory.CreateTempSubdirectory("omnipg-pgcopydb");
            await MeasureAsync("pgcopydb copy table-data", async () =>
            {
                string[] to = ["--source", $"postgresql://postgres@127.0.0.1:{one.Port}/{source.Name}", "--target", $"postgresql://postgres@127.0.0.1:{two.Port}/{destination.Name}"];
                string[] how = ["--dir", work.FullName, "--restart", "--table-jobs", streams.ToString(CultureInfo.InvariantCulture)];
                using var program = Process.Start(new ProcessStartInfo("pgcopydb", ["copy", "table-data", .. how, .. to]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
                var told = await Task.WhenAll(program.StandardError.ReadToEndAsync(), program.StandardOutput.ReadToEndAsync());
                await program.WaitForExitAsync();
                if (program.ExitCode != 0)
                    throw new InvalidOperationException(told[0]);
            });
            work.Delete(recursive: true);
            if (await destination.ScalarAsync<long>("SELECT count(*) FROM t") != rows)
                throw new InvalidOperationException("pgcopydb has left rows out.");
            await destination.ExecuteAsync("DROP TABLE t");
        }
        var mebibytes = await source.ScalarAsync<long>("SELECT pg_table_size('t')") >> 20;
        foreach (var (what, cost) in costs)
            Console.WriteLine($"| {rows.ToString("N0", CultureInfo.InvariantCulture)} rows, {mebibytes} MiB | {what} | {Cost.Median(cost)} |");

        async Task MeasureAsync(string what, Func<Task> work)
        {
            if (!costs.TryGetValue(what, out var list))
                costs[what] = list = [];
            list.Add(await Cost.OfAsync([one, two], work));
        }
    }
}
