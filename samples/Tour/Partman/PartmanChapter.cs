using System.Diagnostics;
using Npgsql;
using OmniPg;
using OmniPg.Partman;
using OmniPg.Testing;

namespace Tour.Partman;

/// <summary>A table becomes partitioned while orders come, go and pay each other: nobody sees a state that lacks money, and none of them waits for long.</summary>
internal sealed class PartmanChapter : IChapter
{
    private const int Orders = 200_000;
    private const long Money = Orders * 100L;

    private static readonly QualifiedName Table = QualifiedName.Parse("public.orders");

    public string Title => "OmniPg.Partman: a live table becomes partitioned while it is written to";

    public async Task RunAsync(Stage stage, CancellationToken cancellationToken)
    {
        await using var server = await stage.WorkAsync("Starting PostgreSQL", _ => PgCluster.StartAsync(cancellationToken: cancellationToken));
        await using var database = await server.CreateDatabaseAsync(cancellationToken: cancellationToken);
        await database.ExecuteAsync("CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, cents bigint NOT NULL)", cancellationToken);
        await database.ExecuteAsync($"INSERT INTO orders (at, cents) SELECT now() - n * interval '1 minute', 100 FROM generate_series(1, {Orders}) n", cancellationToken);
        await database.ExecuteAsync("VACUUM (ANALYZE) orders", cancellationToken);
        stage.Say($"A plain table with {Orders} orders of 139 days, {Money} cents in all.");

        var partman = new PartmanClient(database.DataSource, new PartmanOptions { LockTimeout = TimeSpan.FromSeconds(1), LockAttempts = 100 });
        var set = new PartitionSetOptions { Control = "at", Interval = PgInterval.OfMonths(1), Premake = 2 };
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var life = new Life();
        Task[] people = [life.WriteAsync(database.DataSource, 1, stop.Token), life.WriteAsync(database.DataSource, 2, stop.Token), life.WatchAsync(database.DataSource, stop.Token)];
        Conversion done;
        try
        {
            done = await stage.WorkAsync("Converting it into months", report => partman.ConvertAsync(Table, new ConversionOptions { Set = set }, new Progress<ConversionProgress>(p =>
                report(p.OfRows > 0 ? Math.Min(1, (double)p.Rows / p.OfRows) : 0, $"{p.Step}")), cancellationToken));
            var behind = life.Writes + 200;
            await Eventually.TrueAsync(() => Task.FromResult(life.Writes > behind || people.Any(p => p.IsFaulted)), "orders go on", TimeSpan.FromMinutes(1), cancellationToken);
        }
        finally
        {
            await stop.CancelAsync();
        }
        await Task.WhenAll(people);
        stage.Say($"{life.Writes} transactions and {life.Looks} looks at all orders meanwhile; the longest transaction took {Stage.Number(life.Longest.TotalMilliseconds, "0")} ms. Each look saw {Money} cents.");

        var wanted = Orders + life.Inserted - life.Deleted;
        var (rows, cents) = (await database.ScalarAsync<long>("SELECT count(*) FROM orders", cancellationToken), await database.ScalarAsync<long>("SELECT sum(cents)::bigint FROM orders", cancellationToken));
        if (rows != wanted || cents != Money)
            throw new TourException($"There are {rows} orders with {cents} cents instead of {wanted} with {Money}.");
        await database.ExecuteAsync("ANALYZE orders", cancellationToken);
        var partitions = await partman.ListPartitionsAsync(Table, cancellationToken);
        stage.Table(["partition", "from", "rows", "size"], partitions.Select(p => new[] { p.Name.Name.Value, p.IsDefault ? "" : $"{p.Lower}", $"{p.EstimatedRows}", Stage.Size(p.TotalBytes) }));
        stage.Say($"{Orders} orders, {life.Inserted} more and {life.Deleted} fewer: {rows} rows, {cents} cents. The identity goes on: {await database.ScalarAsync<long>("INSERT INTO orders (at, cents) VALUES (now(), 0) RETURNING id", cancellationToken)}.");

        await partman.FinishConversionAsync(done.Id, cancellationToken);
        var checkup = await partman.CheckAsync(cancellationToken);
        if (checkup.Worst != FindingLevel.Ok)
            throw new TourException($"The set is not as it should be: {string.Join(' ', checkup.Findings.Select(f => f.Text))}");
        stage.Say("The former table is dropped, and the check of the new set finds nothing.");
    }

    /// <summary>What goes on in the shop, whatever becomes of its table.</summary>
    private sealed class Life
    {
        private int _writes;
        private int _looks;
        private int _inserted;
        private int _deleted;
        private long _longest;

        public int Writes => Volatile.Read(ref _writes);

        public int Looks => Volatile.Read(ref _looks);

        public int Inserted => Volatile.Read(ref _inserted);

        public int Deleted => Volatile.Read(ref _deleted);

        public TimeSpan Longest => TimeSpan.FromTicks(Interlocked.Read(ref _longest));

        public async Task WriteAsync(NpgsqlDataSource source, int number, CancellationToken stop)
        {
            var random = new Random(number);
            while (!stop.IsCancellationRequested)
            {
                // The odd rows belong to one writer and the even ones to the other, so that they never wait for each other.
                var (from, to) = ((random.Next(1, Orders / 2) * 2) - number + 1, (random.Next(1, Orders / 2) * 2) - number + 1);
                var started = Stopwatch.GetTimestamp();
                // One transaction; it is finished, only the next one is not begun.
                await using var batch = source.CreateBatch();
                foreach (var sql in (string[])[
                    $"UPDATE orders SET cents = cents - 1 WHERE id = {from}", $"UPDATE orders SET cents = cents + 1 WHERE id = {to}",
                    "INSERT INTO orders (at, cents) VALUES (now(), 0)", $"DELETE FROM orders WHERE id = (SELECT max(id) FROM orders WHERE cents = 0 AND id % 2 = {number - 1} AND id > {Orders})"])
                    batch.BatchCommands.Add(new NpgsqlBatchCommand(sql));
                await batch.ExecuteNonQueryAsync(CancellationToken.None);
                if (batch.BatchCommands[0].RecordsAffected != 1 || batch.BatchCommands[1].RecordsAffected != 1)
                    throw new TourException($"Order {from} or {to} is gone.");
                Interlocked.Add(ref _inserted, batch.BatchCommands[2].RecordsAffected);
                Interlocked.Add(ref _deleted, batch.BatchCommands[3].RecordsAffected);
                Interlocked.Increment(ref _writes);
                var took = Stopwatch.GetElapsedTime(started).Ticks;
                for (var longest = Interlocked.Read(ref _longest); took > longest && Interlocked.CompareExchange(ref _longest, took, longest) != longest; longest = Interlocked.Read(ref _longest))
                {
                }
                await Task.Delay(5, CancellationToken.None);
            }
        }

        // One statement is one snapshot.
        public async Task WatchAsync(NpgsqlDataSource source, CancellationToken stop)
        {
            for (; !stop.IsCancellationRequested; Interlocked.Increment(ref _looks))
            {
                await using var look = source.CreateCommand("SELECT sum(cents)::bigint FROM orders");
                if (await look.ExecuteScalarAsync(CancellationToken.None) is not Money)
                    throw new TourException("Somebody saw orders that lack money.");
            }
        }
    }
}
