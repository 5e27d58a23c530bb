using System.Globalization;
using NpgsqlTypes;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// Does a recovery end where its target says? A server that archives numbered rows, one a transaction, with two base backups and restore points in between; of each row
/// is known its transaction, the time of its commit and the WAL position before it. Then targets by chance: each is restored, or refused, and the rows are counted.
/// </summary>
internal sealed class RandomTargets : IAsyncDisposable
{
    private const int Rows = 60;
    private const int FirstBackupAt = 20;
    private const int SecondBackupAt = 40;
    private const int PointEvery = 5;
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private readonly CancellationToken _cancellation;
    private readonly Random _random;
    private readonly NpgsqlLogSequenceNumber[] _before = new NpgsqlLogSequenceNumber[Rows + 1];
    private readonly uint[] _xids = new uint[Rows + 1];
    private readonly DateTimeOffset[] _commits = new DateTimeOffset[Rows + 1];
    private PgCluster _server = null!;
    private DirectoryObjectStore _backups = null!;
    private DirectoryObjectStore _archive = null!;

    private RandomTargets(int seed, CancellationToken cancellationToken) => (_random, _cancellation) = (new Random(seed), cancellationToken);

    /// <summary>Restores to a number of targets.</summary>
    /// <returns>Per target: the rows predicted and those found; -1 stands for refused.</returns>
    public static async Task<IReadOnlyList<(string Target, int Predicted, int Found)>> RunAsync(int rounds, int seed, Action<string>? log = null, CancellationToken cancellationToken = default)
    {
        var run = new RandomTargets(seed, cancellationToken);
        await using var closing = run;
        await run.BeginAsync();
        var results = new List<(string, int, int)>();
        for (var round = 1; round <= rounds; round++)
        {
            var (target, predicted) = run.Choose();
            var found = await run.RestoreAndCountAsync(target);
            results.Add((Text(target), predicted, found));
            log?.Invoke(string.Create(CultureInfo.InvariantCulture, $"{round}: {Text(target)}: predicted {predicted}, found {found}{(predicted == found ? "" : "  DIFFERENT")}"));
        }

        return results;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _root.Dispose();
    }

    private static string Text(RecoveryTarget target) => $"{target}{(target.IsInclusive ? "" : ", exclusive")}";

    private async Task BeginAsync()
    {
        _archive = new DirectoryObjectStore(Directory.CreateDirectory(_root.Combine("archive")).FullName);
        _backups = new DirectoryObjectStore(Directory.CreateDirectory(_root.Combine("backups")).FullName);
        _server = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                InitDbArguments = ["--wal-segsize=1"],
                Durable = true,
                Settings = new Dictionary<string, string> { ["archive_mode"] = "on", ["archive_command"] = $"cp %p '{_archive.Root}/%f'", ["track_commit_timestamp"] = "on", ["fsync"] = "off" },
            },
            _cancellation);
        var control = await PgControlFile.ReadAsync(_server.DataDirectory, cancellationToken: _cancellation);
        foreach (var store in (DirectoryObjectStore[])[_archive, _backups])
            await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = _server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, _cancellation);
        ServerAccount.Own(_root.Path);
        await _server.ExecuteAsync("CREATE TABLE numbered (id int PRIMARY KEY)", _cancellation);
        for (var id = 1; id <= Rows; id++)
        {
            _before[id] = NpgsqlLogSequenceNumber.Parse(await _server.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", _cancellation));
            await _server.ExecuteAsync($"INSERT INTO numbered VALUES ({id})", _cancellation);
            if (id % PointEvery == 0)
                await _server.ExecuteAsync($"SELECT pg_create_restore_point('{Point(id)}')", _cancellation);
            if (id is not (FirstBackupAt or SecondBackupAt))
                continue;
            var made = (await new BaseBackup(_server.DataSource, _backups, _archive).RunAsync(cancellationToken: _cancellation)).Backup;
            await Eventually.TrueAsync(
                () => _server.ScalarAsync<bool>($"SELECT clock_timestamp() > '{made.Started:O}'::timestamptz + interval '1 second'", _cancellation), "the next backup gets another id", TimeSpan.FromSeconds(30), _cancellation);
        }

        for (var id = 1; id <= Rows; id++)
        {
            _xids[id] = uint.Parse(await _server.ScalarAsync<string>($"SELECT xmin::text FROM numbered WHERE id = {id}", _cancellation), CultureInfo.InvariantCulture);
            _commits[id] = await _server.ScalarAsync<DateTime>($"SELECT pg_xact_commit_timestamp(xmin) FROM numbered WHERE id = {id}", _cancellation);
        }

        // A time is reached when something is committed behind it.
        await _server.ExecuteAsync("CREATE TABLE closing ()", _cancellation);
        await _server.ExecuteAsync("SELECT pg_switch_wal()", _cancellation);
        await Eventually.TrueAsync(
            () => Directory.GetFiles(Path.Combine(_server.DataDirectory, "pg_wal", "archive_status"), "*.ready").Length == 0, "all WAL is archived", TimeSpan.FromSeconds(60), _cancellation);
    }

    private static string Point(int id) => $"behind row {id}";

    private (RecoveryTarget Target, int Predicted) Choose()
    {
#pragma warning disable CA5394 // A seed, so that a run can be had again.
        var (kind, row, isInclusive) = (_random.Next(9), _random.Next(1, Rows + 1), _random.Next(2) == 0);
#pragma warning restore CA5394
        var last = isInclusive ? row : row - 1;
        (RecoveryTarget Target, int Last) chosen = kind switch
        {
            0 => (RecoveryTarget.Latest, Rows),
            1 => (RecoveryTarget.Immediate, SecondBackupAt),
            2 or 3 => (RecoveryTarget.Time(_commits[row], isInclusive), last),
            4 or 5 => (RecoveryTarget.Xid(_xids[row], isInclusive), last),
            // The record at it is never a commit.
            6 or 7 => (RecoveryTarget.Lsn(_before[row], isInclusive), row - 1),
            _ => (RecoveryTarget.Name(Point(Math.Max(row / PointEvery, 1) * PointEvery)), Math.Max(row / PointEvery, 1) * PointEvery),
        };
        // Before the first backup is consistent there is nothing to be had; the position before row 21 lies behind it.
        var isRefused = kind switch
        {
            0 or 1 => false,
            8 => chosen.Last <= FirstBackupAt,
            _ => row <= FirstBackupAt,
        };
        return (chosen.Target, isRefused ? -1 : chosen.Last);
    }

    private async Task<int> RestoreAndCountAsync(RecoveryTarget target)
    {
        var folder = _root.Combine("restored-" + Path.GetRandomFileName());
        var options = new BackupRestoreOptions { Target = target, TargetAction = "promote", RestoreCommand = $"cp '{_archive.Root}/%f' '%p'" };
        try
        {
            await new BackupRestore(_backups, options, _archive).RunAsync(folder, cancellationToken: _cancellation);
        }
        catch (WalBackupException refused) when (refused.Code == "wal.backup.unreachable")
        {
            return -1;
        }

        ServerAccount.Own(folder);
        await using var restored = await PgCluster.StartAsync(new PgClusterOptions { ExistingDataDirectory = folder, Settings = new Dictionary<string, string> { ["archive_mode"] = "off" } }, _cancellation);
        await Eventually.TrueAsync(() => restored.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()", _cancellation), "the recovery ends", TimeSpan.FromSeconds(120), _cancellation);
        var (count, highest) = (await restored.ScalarAsync<long>("SELECT count(*) FROM numbered", _cancellation), await restored.ScalarAsync<int>("SELECT coalesce(max(id), 0) FROM numbered", _cancellation));
        return count == highest ? highest : throw new InvalidOperationException($"{Text(target)}: {count} rows, the last of them {highest}.");
    }
}
