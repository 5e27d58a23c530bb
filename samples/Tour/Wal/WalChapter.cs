using System.Diagnostics;
using OmniPg;
using OmniPg.Testing;
using OmniPg.Wal;

namespace Tour.Wal;

/// <summary>Archiving, a mistake, and recovery to the moment before it.</summary>
internal sealed class WalChapter : IChapter
{
    private const string Fingerprint = "SELECT count(*) || ' rows, md5 ' || left(md5(string_agg(id || name, ',' ORDER BY id)), 12) FROM customers";

    public string Title => "OmniPg.Wal: archive, lose a table, get it back";

    public async Task RunAsync(Stage stage, CancellationToken cancellationToken)
    {
        using var place = new WalPlace();
        await using var server = await stage.WorkAsync("Starting PostgreSQL with archive_command = omnipg-wal", _ => place.StartServerAsync(cancellationToken));
        stage.Say($"PostgreSQL {server.MajorVersion} archives every segment to zstd and lz4 copies, read once.");
        await BaseBackupCopy.TakeAsync(server, place.Backup, cancellationToken);
        stage.Say("Base backup taken (pg_backup_start, copy of the files, pg_backup_stop).");

        await LoadAsync(stage, place, server, cancellationToken);
        var (before, moment) = await MakeCustomersAsync(server, cancellationToken);
        stage.Say($"Table customers: {before}. The clock says {moment}.");
        await server.ExecuteAsync("DROP TABLE customers", cancellationToken);
        stage.Say("Somebody drops the table. It is gone from the server.");
        await place.SwitchAndWaitAsync(server, cancellationToken);
        await ShowArchiveAsync(stage, place, cancellationToken);

        await using var recovered = await stage.WorkAsync("Recovering a copy to the moment before", _ => place.RecoverAsync(moment, cancellationToken));
        var after = await recovered.ScalarAsync<string>(Fingerprint, cancellationToken);
        if (after != before)
            throw new TourException($"The recovered table has '{after}', but '{before}' was expected.");
        stage.Say($"Table customers on the recovered server: {after}. Every row is back.");
    }

    private static async Task LoadAsync(Stage stage, WalPlace place, PgCluster server, CancellationToken cancellationToken)
    {
        const int segments = 12;
        var clock = Stopwatch.StartNew();
        await server.ExecuteAsync("CREATE TABLE load (id bigserial, at timestamptz DEFAULT clock_timestamp(), text text)", cancellationToken);
        var arrived = await stage.WorkAsync("Writing WAL", async report =>
        {
            while (place.Archived().Count is var count && count < segments)
            {
                report((double)count / segments, $"{count} segments archived");
                await server.ExecuteAsync("INSERT INTO load (text) SELECT md5(random()::text) FROM generate_series(1, 40000)", cancellationToken);
            }

            return place.Archived();
        });
        var seconds = clock.Elapsed.TotalSeconds;
        stage.Table(["segment", "raw", "zstd", "ratio", "lz4", "ratio"], arrived.Select(a => a.Row()));
        stage.Say($"{arrived.Count} segments validated and archived while the server wrote them: "
            + $"{Stage.Number(arrived.Sum(a => a.RawBytes) / seconds / (1 << 20))} MiB of WAL per second, twice compressed, all copies flushed to disk.");
    }

    private static async Task<(string Fingerprint, string Moment)> MakeCustomersAsync(PgCluster server, CancellationToken cancellationToken)
    {
        await server.ExecuteAsync("CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL)", cancellationToken);
        await server.ExecuteAsync("INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 5000) i", cancellationToken);
        var fingerprint = await server.ScalarAsync<string>(Fingerprint, cancellationToken);
        var moment = await server.ScalarAsync<string>("SELECT clock_timestamp()::text FROM pg_sleep(0.1)", cancellationToken);
        await server.ExecuteAsync("SELECT pg_sleep(0.1)", cancellationToken);
        return (fingerprint, moment);
    }

    private static async Task ShowArchiveAsync(Stage stage, WalPlace place, CancellationToken cancellationToken)
    {
        var repository = new WalRepository(new DirectoryObjectStore(place.ZstdArchive));
        var window = await repository.GetRecoveryWindowAsync(cancellationToken);
        stage.Say($"The archive can restore from {window.Earliest:HH:mm:ss.fff} to {window.LatestCommit:HH:mm:ss.fff} UTC on timeline {window.Timeline}; gaps: {window.Gaps.Count}.");
        var verified = await stage.WorkAsync("Verifying the archive", report => repository.VerifyAsync(
            progress: new Progress<WalScanProgress>(p => report((double)p.Done / p.Total, $"{p.Done} of {p.Total} files")), cancellationToken: cancellationToken));
        if (!verified.IsGood)
            throw new TourException($"The archive has {verified.Problems.Count} invalid files and {verified.Gaps.Count} gaps.");
        stage.Say($"{verified.Files} files with {verified.Records} records checked, chained over all segments: no fault.");
    }
}
