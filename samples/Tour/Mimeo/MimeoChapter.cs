using Npgsql;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

namespace Tour.Mimeo;

/// <summary>Money that moves between two tables of one server, while both are refreshed as one at another: no state that anybody sees lacks any.</summary>
internal sealed class MimeoChapter : IChapter
{
    private const long Money = 2_000_000;
    private const int Rounds = 6;

    private static readonly QualifiedName[] Tables = [QualifiedName.Parse("dw.accounts"), QualifiedName.Parse("dw.deposits")];

    public string Title => "OmniPg.Mimeo: a warehouse, refreshed while its source is written to";

    public async Task RunAsync(Stage stage, CancellationToken cancellationToken)
    {
        await using var one = await stage.WorkAsync("Starting the source", _ => PgCluster.StartAsync(cancellationToken: cancellationToken));
        await using var two = await stage.WorkAsync("Starting the warehouse", _ => PgCluster.StartAsync(cancellationToken: cancellationToken));
        await using var source = await one.CreateDatabaseAsync(cancellationToken: cancellationToken);
        await using var warehouse = await two.CreateDatabaseAsync(cancellationToken: cancellationToken);
        foreach (var table in (string[])["accounts", "deposits"])
            await source.ExecuteAsync($"CREATE TABLE {table} (id int PRIMARY KEY, cents bigint); INSERT INTO {table} SELECT i, 100 FROM generate_series(1, 10000) i", cancellationToken);
        await warehouse.ExecuteAsync("CREATE SCHEMA dw", cancellationToken);
        var mimeo = new MimeoClient(warehouse.DataSource);
        await mimeo.EnsureCreatedAsync(cancellationToken);
        await mimeo.AddSourceAsync("bank", source.ConnectionString, cancellationToken);
        foreach (var (kind, table) in ((ReplicationKind, QualifiedName)[])[(ReplicationKind.Dml, Tables[0]), (ReplicationKind.Logical, Tables[1])])
        {
            var spec = new ReplicationSpec { Kind = kind, From = "bank", Source = QualifiedName.Create("public", table.Name.Value), Destination = table };
            var created = await stage.WorkAsync($"Setting up {table} as {kind}", _ => mimeo.CreateAsync(spec, cancellationToken: cancellationToken));
            stage.Say($"{table}: {created.Rows} rows.");
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var (writing, watching) = (WriteAsync(source.DataSource, stop.Token), WatchAsync(warehouse.DataSource, stop.Token));
        var shown = new List<string[]>();
        try
        {
            for (var round = 1; round <= Rounds; round++)
            {
                var refreshed = await stage.WorkAsync($"Refreshing both as one, round {round}", _ => mimeo.RefreshGroupAsync(Tables, cancellationToken: cancellationToken));
                var sum = await warehouse.ScalarAsync<long>("SELECT ((SELECT sum(cents) FROM dw.accounts) + (SELECT sum(cents) FROM dw.deposits))::bigint", cancellationToken);
                shown.Add([$"round {round}", $"{refreshed[0].Rows}", $"{refreshed[1].Rows}", $"{sum}"]);
            }
        }
        finally
        {
            await stop.CancelAsync();
        }
        stage.Table(["", "rows of accounts", "rows of deposits", "sum of both"], shown);
        var (moves, looks) = (await writing, await watching);
        stage.Say($"{moves} transfers at the source meanwhile, {looks} looks into the warehouse: {Money} cents in each of them.");
        if (shown.Any(row => row[3] != $"{Money}"))
            throw new TourException("A refreshed state lacks money.");
        await CompareAsync(stage, mimeo, cancellationToken);
    }

    private static async Task CompareAsync(Stage stage, MimeoClient mimeo, CancellationToken cancellationToken)
    {
        await mimeo.RefreshGroupAsync(Tables, cancellationToken: cancellationToken);
        foreach (var table in Tables)
        {
            var result = await mimeo.ValidateAsync(table, new ValidationOptions { Checksum = true }, cancellationToken);
            if (!result.IsEqual)
                throw new TourException($"{table} differs from its source.");
            stage.Say($"{table} is equal to its source: {result.DestinationRows} rows, checksum {result.DestinationChecksum}.");
            await mimeo.DropAsync(table, cancellationToken: cancellationToken);
        }
    }

    private static async Task<int> WriteAsync(NpgsqlDataSource source, CancellationToken stop)
    {
        var random = new Random(1);
        var done = 0;
        for (; !stop.IsCancellationRequested; done++)
        {
            var (cents, from, to) = (random.Next(1, 50), random.Next(1, 10001), random.Next(1, 10001));
            // One transaction; it is finished, only the next one is not begun.
            await using var move = source.CreateBatch();
            move.BatchCommands.Add(new NpgsqlBatchCommand($"UPDATE accounts SET cents = cents - {cents} WHERE id = {from}"));
            move.BatchCommands.Add(new NpgsqlBatchCommand($"UPDATE deposits SET cents = cents + {cents} WHERE id = {to}"));
            await move.ExecuteNonQueryAsync(CancellationToken.None);
        }
        return done;
    }

    // One statement is one snapshot of the warehouse.
    private static async Task<int> WatchAsync(NpgsqlDataSource warehouse, CancellationToken stop)
    {
        var looks = 0;
        for (; !stop.IsCancellationRequested; looks++)
        {
            await using var look = warehouse.CreateCommand("SELECT ((SELECT sum(cents) FROM dw.accounts) + (SELECT sum(cents) FROM dw.deposits))::bigint");
            if (await look.ExecuteScalarAsync(CancellationToken.None) is not Money)
                throw new TourException("Somebody saw a state of the warehouse that lacks money.");
        }
        return looks;
    }
}
