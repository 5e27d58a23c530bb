using OmniPg;
using OmniPg.Wal;

namespace Tour.Wal;

/// <summary>A base backup, two accidents, and drills that tell what each of them costs.</summary>
internal sealed class DrillChapter : IChapter
{
    public string Title => "OmniPg.Wal: backup, accident, drill";

    public async Task RunAsync(Stage stage, CancellationToken cancellationToken)
    {
        using var place = new WalPlace();
        await using var server = await stage.WorkAsync("Starting PostgreSQL", _ => place.StartServerAsync(cancellationToken));
        await server.ExecuteAsync("CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS item FROM generate_series(1, 20000) i", cancellationToken);
        await server.ExecuteAsync("CREATE UNIQUE INDEX ON orders (id)", cancellationToken);
        await place.SwitchAndWaitAsync(server, cancellationToken);

        // The archive of a cluster may hold its backups too.
        var store = new DirectoryObjectStore(place.ZstdArchive);
        var made = await stage.WorkAsync("Making a base backup", _ => new BaseBackup(server.DataSource, store, store).RunAsync(cancellationToken: cancellationToken));
        stage.Say($"Backup {made.Backup.Id}: {made.Files} files, {Stage.Size(made.Backup.RawBytes)}, {Stage.Size(made.Backup.StoredBytes)} stored, its WAL proven to be archived.");

        await server.ExecuteAsync("INSERT INTO orders SELECT i, md5(i::text) FROM generate_series(20001, 25000) i", cancellationToken);
        var moment = await server.ScalarAsync<DateTime>("SELECT clock_timestamp() FROM pg_sleep(0.1)", cancellationToken);
        await server.ExecuteAsync("SELECT pg_sleep(0.1)", cancellationToken);
        await server.ExecuteAsync("DELETE FROM orders WHERE id % 2 = 0", cancellationToken);
        stage.Say("Somebody deletes every second order.");
        await place.SwitchAndWaitAsync(server, cancellationToken);
        var sql = Path.Combine(place.Scratch, "all-orders.sql");
        await File.WriteAllTextAsync(sql, "SELECT count(*) FROM orders HAVING count(*) <> 25000", cancellationToken);
        var clean = await DrillAsync(stage, "A drill to the moment before", store, place, RecoveryTarget.Time(moment), [sql], cancellationToken);
        Require(clean, RestoreDrillVerdict.Clean);
        stage.Say("All 25000 orders can be had, and it is known how long that takes.");

        var segment = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_insert_lsn())", cancellationToken);
        await server.ExecuteAsync("INSERT INTO orders SELECT i, md5(i::text) FROM generate_series(30001, 30100) i", cancellationToken);
        await place.SwitchAndWaitAsync(server, cancellationToken);
        await server.ExecuteAsync("INSERT INTO orders SELECT i, md5(i::text) FROM generate_series(40001, 40300) i", cancellationToken);
        await place.SwitchAndWaitAsync(server, cancellationToken);
        File.Delete(Path.Combine(place.ZstdArchive, $"{segment}.zst"));
        stage.Say($"Somebody removes {segment} from the archive. No server notices.");
        var lost = await DrillAsync(stage, "The next nightly drill", store, place, RecoveryTarget.Latest, [], cancellationToken);
        Require(lost, RestoreDrillVerdict.NotReached);
        stage.Say($"{lost.Reason} Behind it: {lost.LostTransactions} transactions, {lost.LostRows} rows.");
        if (lost.LostRows != 300)
            throw new TourException($"{lost.LostRows} rows are said to be lost instead of 300.");
    }

    private static async Task<RestoreDrillResult> DrillAsync(
        Stage stage, string title, DirectoryObjectStore store, WalPlace place, RecoveryTarget target, IReadOnlyList<string> sql, CancellationToken cancellationToken)
    {
        var options = new RestoreDrillOptions { Target = target, RestoreCommand = place.RestoreCommand, ScratchDirectory = place.Scratch, SqlFiles = sql };
        var result = await stage.WorkAsync(title, _ => new RestoreDrill(store, store, options).RunAsync(cancellationToken: cancellationToken));
        stage.Table(
            ["verdict", "restore", "replay", "checks", "rows", "amcheck"],
            [[$"{result.Verdict}, {result.ReachedTime:HH:mm:ss.fff}", Seconds(result.Restore), Seconds(result.Replay), Seconds(result.Checks), $"{result.Rows}", $"{result.Amchecked}"]]);
        return result;
    }

    private static void Require(RestoreDrillResult result, RestoreDrillVerdict verdict)
    {
        if (result.Verdict != verdict)
            throw new TourException($"The drill ended with '{result.Verdict}' instead of '{verdict}': {result.Reason} {string.Join(' ', result.Findings.Select(f => f.Text))}");
    }

    private static string Seconds(TimeSpan time) => $"{Stage.Number(time.TotalSeconds)} s";
}
