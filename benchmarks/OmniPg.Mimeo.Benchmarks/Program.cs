using System.Diagnostics;
using System.Globalization;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

switch (args.FirstOrDefault())
{
    case "trigger":
        await TriggerBench.RunAsync(args);
        return;
    case "writers":
        Environment.ExitCode = await QueueStress.RunAsync(args);
        return;
    case "changes":
        await ChangesBench.RunAsync(args);
        return;
    case "chunks":
        await ChunkBench.RunAsync(args);
        return;
    case "idle":
        await IdleBench.RunAsync(args);
        return;
    case "logical":
        await LogBench.RunAsync(args);
        return;
    case "phases":
        await PhaseStress.RunAsync(args);
        return;
    case "refresh":
        await PhaseStress.RefreshAsync(args[1], args[2]);
        return;
    case "refresher":
        await QueueStress.RefreshForEverAsync(args[1]);
        return;
}

// Reload of a table beside psql | psql, in turn on the same two servers, and beside the extension's where that is installed. Usage: -- [million rows] [rounds]
var millions = args.Length > 0 ? double.Parse(args[0], CultureInfo.InvariantCulture) : 1;
var rounds = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 5;
await using var one = await PgCluster.StartAsync();
await using var two = await PgCluster.StartAsync();
await using var source = await one.CreateDatabaseAsync();
await using var destination = await two.CreateDatabaseAsync();
var rows = (long)(millions * 1_000_000);
await source.ExecuteAsync("CREATE TABLE t (id bigint, at timestamptz, name text, amount numeric(12, 2), n int, flag boolean)");
await using (var fill = source.DataSource.CreateCommand($"INSERT INTO t SELECT i, now() - i * interval '1 s', 'customer number ' || i, i / 100.0, i % 1000, i % 2 = 0 FROM generate_series(1, {rows}) i"))
{
    fill.CommandTimeout = 0;
    await fill.ExecuteNonQueryAsync();
}
await source.ExecuteAsync("VACUUM (ANALYZE) t");

var name = QualifiedName.Parse("public.t");
var client = new MimeoClient(destination.DataSource);
await client.EnsureCreatedAsync();
await client.AddSourceAsync("one", source.ConnectionString);
await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Table, From = "one", Source = name }, new CreateOptions { PullData = false });
var hasExtension = await destination.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'mimeo')");
if (hasExtension)
{
    await destination.ExecuteAsync("CREATE SCHEMA dblink; CREATE EXTENSION dblink SCHEMA dblink; CREATE SCHEMA mimeo; CREATE EXTENSION mimeo SCHEMA mimeo");
    await destination.ExecuteAsync($"INSERT INTO mimeo.dblink_mapping_mimeo (data_source, username) VALUES ('host=127.0.0.1 port={one.Port} dbname={source.Name}', 'postgres'); CREATE TABLE theirs (LIKE t); SELECT mimeo.table_maker('public.t', 1, 'public.theirs', p_pulldata := false)");
}

var psql = Path.Combine(one.BinDirectory, "psql");
var copy = $"{psql} -qX -h 127.0.0.1 -p {one.Port} -U postgres -d {source.Name} -c 'COPY t TO STDOUT (FORMAT binary)' | "
    + $"{psql} -qX -h 127.0.0.1 -p {two.Port} -U postgres -d {destination.Name} -1 -c 'TRUNCATE t' -c 'COPY t FROM STDIN (FORMAT binary, FREEZE)'";
var (piped, refreshed, theirs) = (new List<Cost>(), new List<Cost>(), new List<Cost>());
var allocated = 0L;
for (var round = 0; round <= rounds; round++)
{
    var pipe = await Cost.OfAsync([one, two], async () =>
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", copy]))!;
        await shell.WaitForExitAsync();
        if (shell.ExitCode != 0)
            throw new InvalidOperationException("psql failed.");
    });
    var refresh = await Cost.OfAsync([one, two], async () =>
    {
        var before = GC.GetTotalAllocatedBytes(precise: true);
        await client.RefreshAsync(name);
        allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
    });
    if ((await destination.ScalarAsync<long>("SELECT count(*) FROM t")) != rows)
        throw new InvalidOperationException("Rows are missing.");
    // The first round warms up both.
    if (round > 0)
        (piped, refreshed) = ([.. piped, pipe], [.. refreshed, refresh]);
    if (round > 0 && hasExtension)
    {
        theirs.Add(await Cost.OfAsync([one, two], async () =>
        {
            await using var command = destination.DataSource.CreateCommand("SELECT mimeo.refresh_table('public.theirs')");
            command.CommandTimeout = 0;
            await command.ExecuteNonQueryAsync();
        }));
    }
}
var (pipes, ours) = (Cost.Median(piped), Cost.Median(refreshed));
using var self = Process.GetCurrentProcess();
var mebibytes = await source.ScalarAsync<long>("SELECT pg_table_size('t')") >> 20;
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {rows:N0} rows, {mebibytes} MiB | psql \\| psql {pipes} | RefreshAsync {ours} | ratio {ours.Seconds / pipes.Seconds:0.00}, of processor time {ours.Processor / pipes.Processor:0.00} | {(hasExtension ? string.Create(CultureInfo.InvariantCulture, $"refresh_table {Cost.Median(theirs)}, ratio {Cost.Median(theirs).Seconds / ours.Seconds:0.0}, of processor time {Cost.Median(theirs).Processor / ours.Processor:0.0}") : "no extension")} | {allocated / (double)rows:0.000} B allocated per row | peak {self.PeakWorkingSet64 >> 20} MiB |"));
