using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

/// <summary>Writers at the source, a refresher that is killed again and again, and both sides compared after each kill: no change lost, none applied twice with effect.</summary>
internal static class QueueStress
{
    private static readonly QualifiedName[] Tables = [QualifiedName.Parse("public.followed"), QualifiedName.Parse("public.kept"), QualifiedName.Parse("public.logged")];

    /// <summary>Usage: -- writers [--writers N] [--seconds S] [--kills N] [--seed S]</summary>
    public static async Task RunAsync(string[] args)
    {
        var (writers, seconds, kills, seed) = (Option(args, "--writers", 1000), Option(args, "--seconds", 60), Option(args, "--kills", 0), Option(args, "--seed", 1));
        await using var one = await PgCluster.StartAsync(new PgClusterOptions { Settings = new Dictionary<string, string> { ["max_connections"] = (writers + 50).ToString(CultureInfo.InvariantCulture) } });
        await using var two = await PgCluster.StartAsync();
        await using var source = await one.CreateDatabaseAsync();
        await using var destination = await two.CreateDatabaseAsync();
        await source.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 100000) i");
        var client = new MimeoClient(destination.DataSource);
        await client.EnsureCreatedAsync();
        await client.AddSourceAsync("one", source.ConnectionString);

        using var stop = new CancellationTokenSource();
        var (committed, clock) = (0L, Stopwatch.StartNew());
        var writing = Enumerable.Range(0, writers).Select(n => Task.Run(async () => Interlocked.Add(ref committed, await WriteAsync(source.ConnectionString, seed + n, stop.Token)))).ToArray();
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Dml, From = "one", Source = QualifiedName.Parse("public.t"), Destination = Tables[0] });
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Logdel, From = "one", Source = QualifiedName.Parse("public.t"), Destination = Tables[1] });
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Logical, From = "one", Source = QualifiedName.Parse("public.t"), Destination = Tables[2] });
        var (killed, compared) = kills > 0 ? await KillAsync(client, destination.ConnectionString, kills, seed) : (0, 0);
        stop.CancelAfter(TimeSpan.FromSeconds(seconds));
        var refreshes = 0;
        for (; !stop.IsCancellationRequested; refreshes++)
            await RefreshAsync(client);
        await Task.WhenAll(writing);
        await RefreshAsync(client);
        compared += await CompareAsync(client);
        var left = await source.ScalarAsync<long>("SELECT (SELECT count(*) FROM omnipg_mimeo.public_t_q) + (SELECT count(*) FROM omnipg_mimeo.public_t_q01)");
        var (there, here) = (await ContentAsync(source, "SELECT id, w FROM t"), await ContentAsync(destination, "SELECT id, w FROM followed"));
        var logged = await ContentAsync(destination, "SELECT id, w FROM logged");
        if (there != here || there != logged || left != 0)
            throw new InvalidOperationException($"Source {there}, queue {here}, log {logged}, {left} entries left.");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {writers} writers, {clock.Elapsed.TotalSeconds:0} s, seed {seed} | {Interlocked.Read(ref committed):N0} transactions | {refreshes} refreshes of dml, logdel and logical | {killed} kills | {compared} comparisons, all equal | {there} |"));
    }

    /// <summary>The process that is killed: refreshes for ever.</summary>
    public static async Task RefreshForEverAsync(string connectionString)
    {
        await using var dataSource = NpgsqlDataSource.Create(connectionString);
        var client = new MimeoClient(dataSource);
        while (true)
            await RefreshAsync(client);
    }

    private static async Task RefreshAsync(MimeoClient client)
    {
        foreach (var table in Tables)
            await client.RefreshAsync(table, new RefreshOptions { LockWait = TimeSpan.FromSeconds(30) });
    }

#pragma warning disable CA5394 // A seed, so that a run can be had again.
    private static async Task<(int Killed, int Compared)> KillAsync(MimeoClient client, string destination, int kills, int seed)
    {
        var (random, compared) = (new Random(seed), 0);
        for (var kill = 0; kill < kills; kill++)
        {
            using var child = Process.Start(new ProcessStartInfo(Path.ChangeExtension(typeof(QueueStress).Assembly.Location, null), ["refresher", destination]))!;
            await Task.Delay(random.Next(300, 2000));
            if (child.HasExited)
                throw new InvalidOperationException("The process that refreshes ended by itself.");
            child.Kill();
            await child.WaitForExitAsync();
            compared += await CompareAsync(client);
            // Every comparison reads what waits in queues and log, and a process that is killed so soon leaves more there each time.
            if (kill % 5 == 4)
                await RefreshAsync(client);
        }
        return (kills, compared);
    }

    private static async Task<long> WriteAsync(string connectionString, int seed, CancellationToken stop)
    {
        var (random, done) = (new Random(seed), 0L);
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, Timeout = 300, CommandTimeout = 0 }.ConnectionString);
        await connection.OpenAsync(CancellationToken.None);
        for (; !stop.IsCancellationRequested; done++)
        {
            var (one, two) = (random.Next(1, 200_000), random.Next(1, 200_000));
            var statement = random.Next(4) switch
            {
                0 => $"INSERT INTO t VALUES ({one}, 'ins {done}') ON CONFLICT DO NOTHING",
                1 => $"DELETE FROM t WHERE id = {one}",
                2 => $"UPDATE t SET w = 'upd {done}' WHERE id = {one}",
                _ => $"UPDATE t SET id = {two} WHERE id = {one} AND NOT EXISTS (SELECT FROM t x WHERE x.id = {two})",
            };
            try
            {
                await using var command = new NpgsqlCommand(statement, connection);
                await command.ExecuteNonQueryAsync(CancellationToken.None);
            }
            // Two that want the same key: one of them has to give way.
            catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.DeadlockDetected)
            {
            }
        }
        return done;
    }
#pragma warning restore CA5394

    private static async Task<int> CompareAsync(MimeoClient client)
    {
        foreach (var table in Tables)
        {
            var result = await client.ValidateAsync(table, new ValidationOptions { Checksum = true, LockWait = TimeSpan.FromSeconds(60) });
            if (!result.IsEqual)
                throw new InvalidOperationException($"{result}");
        }
        return Tables.Length;
    }

    private static Task<string> ContentAsync(TestDatabase database, string query) =>
        database.ScalarAsync<string>($"SELECT count(*) || ' rows, ' || coalesce(sum(('x' || substr(md5(r::text), 1, 15))::bit(60)::bigint), 0) FROM ({query}) AS r");

    private static int Option(string[] args, string name, int otherwise) =>
        Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? int.Parse(args[at + 1], CultureInfo.InvariantCulture) : otherwise;
}
