using System.Diagnostics;
using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// Kills the program while it makes a backup, restores one, drills one, removes old ones, and copies the running server, at moments by chance. Afterwards whatever is listed must be whole with its WAL,
/// whatever has a control file must be a whole cluster, the last valid backup must be there, and the next run must do the work and clean up behind the killed one.
/// </summary>
internal sealed class BackupKills : IAsyncDisposable
{
    private static readonly string[] All = ["backup", "backup-restore", "drill", "backup-cleanup", "synch", "copy"];
    private readonly TemporaryDirectory _root = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
    private readonly ServerCommand _program = ServerCommand.Prepare("omnipg-wal");
    private readonly Dictionary<string, TimeSpan> _usual = [];
    private readonly List<string> _made = [];
    private readonly CancellationToken _cancellation;
    private readonly Random _random;
    private PgCluster _server = null!;
    private DirectoryObjectStore _archive = null!;
    private DirectoryObjectStore _backups = null!;
    private BackupInfo _backup = null!;
    private int _folders;

    private readonly string[] _kinds;

    private BackupKills(int seed, string[] kinds, CancellationToken cancellationToken) => (_random, _kinds, _cancellation) = (new Random(seed), kinds, cancellationToken);

    /// <summary>Kills so often, the kinds of work in turn: the verbs given, or all five.</summary>
    /// <returns>Per kill: the work, and what was not as it must be; null when all was.</returns>
    public static async Task<IReadOnlyList<(string Work, string? Fault)>> RunAsync(
        int kills, int seed, Action<string>? log = null, string[]? kinds = null, CancellationToken cancellationToken = default)
    {
        var run = new BackupKills(seed, kinds ?? All, cancellationToken);
        await using var closing = run;
        await run.BeginAsync();
        var results = new List<(string, string?)>();
        while (results.Count < kills)
        {
            var work = run._kinds[results.Count % run._kinds.Length];
            if (await run.TryKillAsync(work) is not { } outcome)
                continue;
            results.Add((work, outcome.Length == 0 ? null : outcome));
            log?.Invoke(string.Create(CultureInfo.InvariantCulture, $"{results.Count}: {work}: {(outcome.Length == 0 ? "good" : outcome)}"));
        }

        return results;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _program.Dispose();
        _root.Dispose();
    }

    private async Task BeginAsync()
    {
        _archive = new DirectoryObjectStore(Directory.CreateDirectory(_root.Combine("archive")).FullName);
        _server = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                InitDbArguments = ["--wal-segsize=1"],
                Durable = true,
                Settings = new Dictionary<string, string> { ["archive_mode"] = "on", ["archive_command"] = $"cp %p '{_archive.Root}/%f'", ["fsync"] = "off" },
            },
            _cancellation);
        await MarkAsync(_archive);
        ServerAccount.Own(_root.Path);
        await _server.ExecuteAsync("CREATE TABLE kept AS SELECT i, md5(i::text) FROM generate_series(1, 1000) i", _cancellation);
        _backups = await NewStoreAsync();
        _made.Clear();
        _backup = (await new BaseBackup(_server.DataSource, _backups, _archive).RunAsync(cancellationToken: _cancellation)).Backup;
        await _server.ExecuteAsync("SELECT pg_switch_wal()", _cancellation);
        await Eventually.TrueAsync(
            () => Directory.GetFiles(Path.Combine(_server.DataDirectory, "pg_wal", "archive_status"), "*.ready").Length == 0, "all WAL is archived", TimeSpan.FromSeconds(60), _cancellation);
        ServerAccount.Own(_root.Path);
        // How long each takes when nobody kills it; the moments are chosen by that.
        foreach (var work in _kinds)
        {
            var job = await PrepareAsync(work);
            var began = Stopwatch.GetTimestamp();
            await EndAsync(job.Words);
            _usual[work] = Stopwatch.GetElapsedTime(began);
            if (await job.FaultAsync() is { } fault)
                throw new InvalidOperationException($"{work}, not killed: {fault}");
            RemoveMade();
        }
    }

    /// <returns>Null when it ended before its kill; else what is wrong, or nothing.</returns>
    private async Task<string?> TryKillAsync(string work)
    {
        var job = await PrepareAsync(work);
        using var process = Process.Start(ServerAccount.StartInfo(_program.Path, job.Words))!;
        _ = process.StandardOutput.ReadToEndAsync(_cancellation);
        _ = process.StandardError.ReadToEndAsync(_cancellation);
        var ended = process.WaitForExitAsync(_cancellation);
#pragma warning disable CA5394 // A seed, so that a run can be had again.
        var moment = _usual[work] * (1.1 * _random.NextDouble());
#pragma warning restore CA5394
        var isKilled = await Task.WhenAny(ended, Task.Delay(moment, _cancellation)) != ended;
        if (isKilled)
            process.Kill();
        await ended;
        var outcome = !isKilled || process.ExitCode == 0 ? null : await job.FaultAsync() ?? await job.AgainAsync() ?? "";
        RemoveMade();
        return outcome;
    }

    private Task<Job> PrepareAsync(string work) => work switch
    {
        "backup" => BackupAsync(),
        "backup-restore" => Task.FromResult(Restore()),
        "drill" => Task.FromResult(Drill()),
        "synch" => Task.FromResult(Synch()),
        "copy" => Task.FromResult(Copy()),
        _ => CleanupAsync(),
    };

    private async Task<Job> BackupAsync()
    {
        var store = await NewStoreAsync();
        string[] words = ["backup", "--connection", _server.ConnectionString, "--dst-local", store.Root, "--archive", _archive.Root];
        return new Job(words, () => FaultOfListedAsync(store, atLeast: 0), async () =>
        {
            // The id of a backup is the second in which it began.
            await Eventually.TrueAsync(
                () => _server.ScalarAsync<bool>($"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MISS\"Z\"') > '{Directory.GetDirectories(store.Root).Select(Path.GetFileName).Order(StringComparer.Ordinal).LastOrDefault("0")}'", _cancellation),
                "a second passes", TimeSpan.FromSeconds(30), _cancellation);
            await EndAsync(words);
            return await FaultOfListedAsync(store, atLeast: 1);
        });
    }

    private Job Restore()
    {
        var folder = Fresh("restored");
        string[] WordsTo(string to) => ["backup-restore", "--source", _backups.Root, "--archive", _archive.Root, "--to", to];
        return new Job(WordsTo(folder), () => FaultOfClusterAsync(folder, mustBeWhole: false), async () =>
        {
            var next = Fresh("restored");
            await EndAsync(WordsTo(next));
            return await FaultOfClusterAsync(next, mustBeWhole: true);
        });
    }

    private Job Drill()
    {
        var scratch = Directory.CreateDirectory(Fresh("s")).FullName;
        ServerAccount.Own(scratch);
        string[] words =
        [
            "drill", "--source", _backups.Root, "--archive", _archive.Root, "--restore-command", $"cp '{_archive.Root}/%f' '%p'", "--scratch", scratch, "--pg-bin", _server.BinDirectory, "--check", "rows",
        ];
        // What a killed one leaves, its server too, is what the next one removes.
        return new Job(words, () => Task.FromResult<string?>(null), async () =>
        {
            await EndAsync(words);
            return Directory.GetFileSystemEntries(scratch) is [var left, ..] ? $"'{left}' is left" : null;
        });
    }

    private Job Synch()
    {
        var folder = Fresh("copy");
        string[] words = ["synch", "--connection", _server.ConnectionString, "--output", folder, "--automatic"];
        return new Job(words, () => FaultOfClusterAsync(folder, mustBeWhole: false), async () =>
        {
            // What the killed program has started may outlive it; a place that changes under the next one is refused, and taken by the one after it.
            ProgramResult result;
            var tries = 0;
            do
            {
                result = await _program.RunAsync([.. words, "--overwrite"], null, _cancellation);
            }
            while (result.ExitCode != 0 && ++tries < 3);
            return result.ExitCode != 0 ? $"the next copy: {result.Error}" : await FaultOfClusterAsync(folder, mustBeWhole: true);
        });
    }

    private Job Copy()
    {
        var folder = Directory.CreateDirectory(Fresh("elsewhere")).FullName;
        ServerAccount.Own(folder);
        var store = new DirectoryObjectStore(folder);
        string[] words = ["copy", "--archive", _archive.Root, "--source", _backups.Root, "--to", folder, "--begin"];
        return new Job(words, FaultOfCopyAsync, async () =>
        {
            await EndAsync(words);
            return await FaultOfListedAsync(store, atLeast: 1, store);
        });

        // Killed before its marker it is no archive yet.
        async Task<string?> FaultOfCopyAsync() => Directory.EnumerateFiles(folder).Any(path => !Path.GetFileName(path).StartsWith('.'))
            ? (await new WalRepository(store).VerifyAsync(cancellationToken: _cancellation)).Problems is [var problem, ..] ? problem.ToString() : await FaultOfListedAsync(store, atLeast: 0, store)
            : null;
    }

    private async Task<Job> CleanupAsync()
    {
        var store = await NewStoreAsync();
        var archive = new DirectoryObjectStore(Directory.CreateDirectory(Fresh("archive")).FullName);
        foreach (var path in Directory.GetFiles(_archive.Root))
            File.Copy(path, Path.Combine(archive.Root, Path.GetFileName(path)));
        for (var days = 0; days < 4; days++)
        {
            var id = BackupInfo.IdAt(_backup.Started.AddDays(-days));
            Directory.CreateDirectory(Path.Combine(store.Root, id));
            var parts = _backup.Parts.Select(p => p with { Key = $"{id}/{Path.GetFileName(p.Key)}" }).ToArray();
            foreach (var (from, to) in _backup.Parts.Zip(parts))
                File.Copy(Path.Combine(_backups.Root, from.Key), Path.Combine(store.Root, to.Key));
            await File.WriteAllBytesAsync(Path.Combine(store.Root, id, BackupInfo.FileName), (_backup with { Id = id, Started = _backup.Started.AddDays(-days), Parts = parts }).ToJson(), _cancellation);
        }

        ServerAccount.Own(store.Root);
        ServerAccount.Own(archive.Root);
        string[] words = ["backup-cleanup", "--backup-dir", store.Root, "--archive", archive.Root, "--keep-count", "1"];
        return new Job(words, () => FaultOfListedAsync(store, atLeast: 1, archive), async () =>
        {
            // A removal that is silent for a quarter of an hour was killed; nobody waits here for that.
            foreach (var left in Directory.GetFiles(store.Root, "removing.json", SearchOption.AllDirectories))
                File.SetLastWriteTimeUtc(left, DateTime.UtcNow.AddHours(-1));
            await EndAsync(words);
            return await FaultOfListedAsync(store, atLeast: 1, archive)
                ?? ((await new BackupCatalog(store).ListAsync(_cancellation)) is [var one] && one.Id == _backup.Id ? null : "more than the newest backup is left");
        });
    }

    private async Task<string?> FaultOfListedAsync(DirectoryObjectStore store, int atLeast, DirectoryObjectStore? archive = null)
    {
        var listed = await new BackupCatalog(store).ListAsync(_cancellation);
        foreach (var backup in listed)
        {
            if ((await new BackupCatalog(store).VerifyAsync(backup.Id, archive ?? _archive, cancellationToken: _cancellation)).Problems is [var problem, ..])
                return $"'{backup.Id}' is listed, and {problem}";
        }

        return listed.Count < atLeast ? $"{listed.Count} backups are listed" : null;
    }

    private async Task<string?> FaultOfClusterAsync(string folder, bool mustBeWhole)
    {
        var isThere = File.Exists(Path.Combine(folder, PgControlFile.RelativePath));
        if (!isThere)
            return mustBeWhole ? "there is no control file" : null;
        var checkedBy = Path.Combine(_server.BinDirectory, "pg_verifybackup");
        if (!File.Exists(checkedBy))
            return null;
        // The control file is there, so every byte must be, but for the settings of the recovery.
        var verified = await ServerProgram.RunAsync(checkedBy, ["-n", "-i", "postgresql.auto.conf", "-i", "recovery.signal", "-i", ".omnipg-synch", folder], null, _cancellation);
        return verified.ExitCode == 0 ? null : $"pg_verifybackup: {verified.Error}";
    }

    private async Task EndAsync(string[] words)
    {
        var result = await _program.RunAsync(words, null, _cancellation);
        if (result.ExitCode != 0)
            throw new InvalidOperationException($"{words[0]} ended with {result.ExitCode}: {result.Output}{result.Error}");
    }

    private async Task<DirectoryObjectStore> NewStoreAsync()
    {
        var store = new DirectoryObjectStore(Directory.CreateDirectory(Fresh("backups")).FullName);
        await MarkAsync(store);
        ServerAccount.Own(store.Root);
        return store;
    }

    private async Task MarkAsync(DirectoryObjectStore store)
    {
        var control = await PgControlFile.ReadAsync(_server.DataDirectory, cancellationToken: _cancellation);
        await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = _server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, _cancellation);
    }

    private string Fresh(string name)
    {
        _made.Add(_root.Combine($"{name}-{++_folders}"));
        return _made[^1];
    }

    private void RemoveMade()
    {
        foreach (var folder in _made.Where(Directory.Exists))
            Directory.Delete(folder, recursive: true);
        _made.Clear();
    }

    /// <param name="Words">The command line.</param>
    /// <param name="FaultAsync">What is wrong right behind the kill.</param>
    /// <param name="AgainAsync">Does the work once more, and says what is wrong then.</param>
    private sealed record Job(string[] Words, Func<Task<string?>> FaultAsync, Func<Task<string?>> AgainAsync);
}
