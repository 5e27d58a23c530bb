using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

/// <summary>Writers at the source, a refresher that is killed again and again, and both sides compared after each kill: no change lost, none applied twice with effect.</summary>
internal sealed class QueueStress(int writers, int seconds, int kills, int seed, IReadOnlyList<ReplicationKind> kinds)
{
    private static readonly QualifiedName Source = QualifiedName.Parse("public.t");

    private long _committed;
    private int _compared;

    /// <summary>Usage: -- writers [--writers N] [--seconds S] [--kills N] [--seed S] [--kinds dml,logdel,logical]</summary>
    /// <returns>Exit code: 1 where the sides differ.</returns>
    public static Task<int> RunAsync(string[] args) => new QueueStress(Number(args, "--writers", 1000), Number(args, "--seconds", 60), Number(args, "--kills", 0), Number(args, "--seed", 1),
        [.. (Option(args, "--kinds") ?? "dml,logdel,logical").Split(',').Select(kind => Enum.Parse<ReplicationKind>(kind, ignoreCase: true))]).RunAsync();

    /// <summary>The process that is killed: refreshes for ever what is managed, and tells of each refresh as it begins.</summary>
    public static async Task RefreshForEverAsync(string connectionString)
    {
        await using var dataSource = NpgsqlDataSource.Create(connectionString);
        var client = new MimeoClient(dataSource);
        var tables = await client.ListAsync();
        foreach (var table in Enumerable.Repeat(tables, int.MaxValue).SelectMany(t => t))
        {
            Console.WriteLine(table.Target);
            await RefreshAsync(client, [table.Target]);
        }
    }

    private async Task<int> RunAsync()
    {
        await using var one = await PgCluster.StartAsync(new PgClusterOptions { Settings = new Dictionary<string, string> { ["max_connections"] = (writers + 50).ToString(CultureInfo.InvariantCulture) } });
        await using var two = await PgCluster.StartAsync();
        await using var source = await one.CreateDatabaseAsync();
        await using var destination = await two.CreateDatabaseAsync();
        await source.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 100000) i");
        var client = new MimeoClient(destination.DataSource);
        await client.EnsureCreatedAsync();
        await client.AddSourceAsync("one", source.ConnectionString);

        using var stop = new CancellationTokenSource();
        var clock = Stopwatch.StartNew();
        var writing = Enumerable.Range(0, writers).Select(n => Task.Run(() => WriteAsync(source.ConnectionString, seed + n, stop.Token))).ToArray();
        foreach (var kind in kinds)
            await client.CreateAsync(new ReplicationSpec { Kind = kind, From = "one", Source = Source, Destination = Named(kind) });
        Tell($"{writers} writers, {string.Join(", ", kinds)} set up after {clock.Elapsed.TotalSeconds:0.0} s");
        var isEqual = await KillAsync(client, destination);
        stop.CancelAfter(isEqual ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero);
        var refreshes = 0;
        for (; isEqual && !stop.IsCancellationRequested; refreshes++)
            await RefreshAsync(client, kinds.Select(Named));
        await Task.WhenAll(writing);
        isEqual = isEqual && await IsEqualAtEndAsync(client, source, destination);
        Tell($"| {writers} writers, {clock.Elapsed.TotalSeconds:0} s, seed {seed} | {string.Join(", ", kinds)} | {Interlocked.Read(ref _committed):N0} transactions | {refreshes} refreshes of each | {kills} kills | {_compared} comparisons | {(isEqual ? "all equal" : "NOT EQUAL")} |");
        return isEqual ? 0 : 1;
    }

    private static async Task RefreshAsync(MimeoClient client, IEnumerable<QualifiedName> tables)
    {
        foreach (var table in tables)
            await client.RefreshAsync(table, new RefreshOptions { LockWait = TimeSpan.FromSeconds(30) });
    }

    private static async Task<string?> LastAsync(StreamReader lines, string? last)
    {
        while (await lines.ReadLineAsync() is { } line)
            last = line;
        return last;
    }

#pragma warning disable CA5394 // A seed, so that a run can be had again.
    private async Task<bool> KillAsync(MimeoClient client, TestDatabase destination)
    {
        var random = new Random(seed);
        for (var kill = 1; kill <= kills; kill++)
        {
            using var child = Process.Start(new ProcessStartInfo(Path.ChangeExtension(typeof(QueueStress).Assembly.Location, null), ["refresher", destination.ConnectionString]) { RedirectStandardOutput = true })!;
            // A process takes its time to start, and what has not begun cannot be broken off.
            var begun = await child.StandardOutput.ReadLineAsync();
            var telling = LastAsync(child.StandardOutput, begun);
            var moment = TimeSpan.FromMilliseconds(random.Next(0, 2000));
            await Task.Delay(moment);
            var at = await destination.ScalarAsync<string>(
                "SELECT coalesce((SELECT state || ': ' || regexp_replace(left(query, 60), '\\s+', ' ', 'g') FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' ORDER BY query_start DESC LIMIT 1), 'no session is at work')");
            if (child.HasExited)
                throw new InvalidOperationException("The process that refreshes ended by itself.");
            child.Kill();
            await child.WaitForExitAsync();
            var last = await telling;
            Console.Write(string.Create(CultureInfo.InvariantCulture, $"kill {kill} of {kills}, {moment.TotalMilliseconds:0} ms after its first refresh began, in that of {last}, {at} -> "));
            if (!await IsEqualAsync(client, destination))
                return false;
            // Every comparison reads what waits in queues and log, and a process that is killed so soon leaves more there each time.
            if (kill % 5 == 0)
                await RefreshAsync(client, kinds.Select(Named));
        }
        return true;
    }

    private async Task WriteAsync(string connectionString, int seedOfWriter, CancellationToken stop)
    {
        var random = new Random(seedOfWriter);
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, Timeout = 300, CommandTimeout = 0 }.ConnectionString);
        await connection.OpenAsync(CancellationToken.None);
        for (var done = 0; !stop.IsCancellationRequested; done++)
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
                Interlocked.Increment(ref _committed);
            }
            // Two that want the same key: one of them has to give way.
            catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.DeadlockDetected)
            {
            }
        }
    }
#pragma warning restore CA5394

    private async Task<bool> IsEqualAsync(MimeoClient client, TestDatabase destination)
    {
        var told = new List<string>();
        foreach (var kind in kinds)
        {
            var result = await client.ValidateAsync(Named(kind), new ValidationOptions { Checksum = true, LockWait = TimeSpan.FromSeconds(60) });
            _compared++;
            if (!result.IsEqual)
            {
                Tell($"NOT EQUAL: {kind}: source {result.SourceRows} rows, {result.SourceChecksum}, destination {result.DestinationRows} rows, {result.DestinationChecksum}");
                await TellDifferencesAsync(client, kind, destination);
                return false;
            }
            told.Add(string.Create(CultureInfo.InvariantCulture, $"{kind} {result.DestinationRows:N0} rows"));
        }
        Tell($"equal: {string.Join(", ", told)}");
        return true;
    }

    private static async Task TellDifferencesAsync(MimeoClient client, ReplicationKind kind, TestDatabase destination)
    {
        var result = await client.CompareAsync(Named(kind), new ComparisonOptions { MaxRows = 100, LockWait = TimeSpan.FromSeconds(60) });
        Tell($"  {kind}: {result.MissingHere} rows missing at the destination, {result.MissingAtSource} missing at the source, {result.Different} with other values");
        foreach (var row in result.Rows)
        {
            var here = await destination.ScalarAsync<string>($"SELECT coalesce((SELECT string_agg(r::text, '; ') FROM {Named(kind).Quoted} r WHERE ROW(r.id)::text = '{row.Key}'), 'nothing')");
            Tell($"  {row.Key} {row.Kind}, at the destination {here}");
        }
    }

    // Without the package's own means: queues are empty, and each side's rows have the same sum.
    private async Task<bool> IsEqualAtEndAsync(MimeoClient client, TestDatabase source, TestDatabase destination)
    {
        await RefreshAsync(client, kinds.Select(Named));
        Console.Write("at the end, nobody writes -> ");
        if (!await IsEqualAsync(client, destination))
            return false;
        var there = await ContentAsync(source, "SELECT id, w FROM t");
        foreach (var table in await client.ListAsync())
        {
            var here = await ContentAsync(destination, $"SELECT id, w FROM {table.Target.Quoted}{(table.Kind == ReplicationKind.Logdel ? " WHERE mimeo_source_deleted IS NULL" : "")}");
            var left = table.Queue is { } queue ? await source.ScalarAsync<long>($"SELECT count(*) FROM {queue.Quoted}") : 0;
            Tell($"  source {there}; {table.Kind} {here}, {left} entries left in its queue");
            if (there != here || left != 0)
                return false;
        }
        return true;
    }

    private static QualifiedName Named(ReplicationKind kind) => QualifiedName.Create("public", kind.ToString().ToLowerInvariant());

    private static Task<string> ContentAsync(TestDatabase database, string query) =>
        database.ScalarAsync<string>($"SELECT count(*) || ' rows, ' || coalesce(sum(('x' || substr(md5(r::text), 1, 15))::bit(60)::bigint), 0) FROM ({query}) AS r");

    // Whoever reads a file that this goes to sees it at once.
    private static void Tell(FormattableString line)
    {
        Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
        Console.Out.Flush();
    }

    private static string? Option(string[] args, string name) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;

    private static int Number(string[] args, string name, int otherwise) => Option(args, name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
