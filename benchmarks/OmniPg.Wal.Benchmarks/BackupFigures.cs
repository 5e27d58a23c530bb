using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// What do a base backup and its restore cost beside pgBackRest and pg_basebackup? One server that is idle, warm page cache, zstd level 1, two processes where there is a choice; the cases take
/// turns, and all that was written is on disk before the next one begins.
/// </summary>
internal sealed class BackupFigures
{
    private readonly string _program;
    private readonly string _root;
    private readonly PgCluster _server;
    private readonly List<Case> _cases = [];

    private BackupFigures(string program, string root, PgCluster server) => (_program, _root, _server) = (program, root, server);

    /// <summary>Usage: backup PROGRAM [--gib G] [--rounds N]</summary>
    public static async Task RunAsync(string program, string[] options)
    {
        ProcessorTime.AdoptOrphans();
        using var root = FilledCluster.NewRoot();
        await using var server = await FilledCluster.StartAsync(root.Path, Words.Number(options, "--gib", 2), "/bin/true");
        await new BackupFigures(Path.GetFullPath(program), root.Path, server).RunAsync((int)Words.Number(options, "--rounds", 3));
    }

    private async Task RunAsync(int rounds)
    {
        Console.WriteLine(await Cost.MachineAsync(_server) + "\n");
        _cases.Add(new Case("omnipg-wal, zstd:1", BackUpAsync, RestoreAsync));
        if (File.Exists(PgBackRest.Program))
            _cases.Add(new Case("pgBackRest, zst 1, process-max=2", PgBackRestAsync, PgBackRestRestoreAsync));
        _cases.Add(new Case("pg_basebackup -Ft -Z client-zstd:1; zstd -d \\| tar -x, sync -f", PgBaseBackupAsync, TarAsync));
        for (var round = 1; round <= rounds; round++)
        {
            foreach (var one in _cases)
            {
                var folder = Directory.CreateDirectory(Path.Combine(_root, "case")).FullName;
                one.Backups.Add(await MeasuredAsync(one.BackUp, folder));
                one.Restores.Add(await MeasuredAsync(one.Restore, folder));
                if (round == 1)
                    await CompareAsync(Path.Combine(folder, "target"));
                Directory.Delete(folder, recursive: true);
                Console.Error.WriteLine(FormattableString.Invariant($"round {round}, {one.Name}: backup {one.Backups[^1].Seconds:0.0} s, restore {one.Restores[^1].Seconds:0.0} s"));
            }
        }

        var mib = SizeOf(_server.DataDirectory, static path => !path.Contains("/pg_wal/", StringComparison.Ordinal));
        Print("backup", mib, static c => c.Backups);
        Print("restore", mib, static c => c.Restores);
    }

    private void Print(string what, double mib, Func<Case, List<Cost>> rounds)
    {
        Console.WriteLine($"| {what} of {mib:0} MiB | s | MiB/s | CPU, s | VmHWM, MiB | stored, MiB | × as fast as {string.Join(" | × as fast as ", _cases.Skip(1).Select(static c => c.Name.Split(' ', ',')[0]))} |");
        Console.WriteLine($"|---|---|---|---|---|---|{string.Concat(Enumerable.Repeat("---|", _cases.Count - 1))}");
        foreach (var one in _cases)
        {
            var cost = Cost.MedianOf(rounds(one));
            var ratios = _cases.Skip(1).Select(other => FormattableString.Invariant($"{Cost.MedianOf(rounds(other)).Seconds / cost.Seconds:0.00}"));
            Console.WriteLine(FormattableString.Invariant(
                $"| {one.Name} | {cost.Seconds:0.00} | {mib / cost.Seconds:0} | {cost.ProcessorSeconds:0.00} | {cost.PeakMiB:0} | {cost.StoredMiB:0} | {string.Join(" | ", ratios)} |"));
        }

        Console.WriteLine();
    }

    // With what the sessions of the case took of the server's processors: it reads the files for pg_basebackup.
    private async Task<Cost> MeasuredAsync(Func<string, Task<Cost>> work, string folder)
    {
        await Cost.OfAsync("sync");
        await EndOfSessionsAsync();
        var before = ProcessorTime.Of(_server.ProcessId, ofChildren: true);
        var cost = await work(folder);
        await EndOfSessionsAsync();
        return cost with { ProcessorSeconds = cost.ProcessorSeconds + ProcessorTime.Of(_server.ProcessId, ofChildren: true) - before };
    }

    private Task EndOfSessionsAsync() => Eventually.TrueAsync(
        () => _server.ScalarAsync<bool>("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid()"),
        "the case's sessions end", TimeSpan.FromSeconds(30), CancellationToken.None);

    private async Task<Cost> BackUpAsync(string folder)
    {
        var store = Directory.CreateDirectory(Path.Combine(folder, "store")).FullName;
        await Cost.OfAsync(_program, "init", "--data-dir", _server.DataDirectory, "--archive", store);
        var (cost, _) = await Cost.OfAsync(_program, "backup", "--connection", _server.ConnectionString, "--dst-local", $"zstd:1={store}");
        return cost with { StoredMiB = SizeOf(store) };
    }

    private async Task<Cost> RestoreAsync(string folder) =>
        (await Cost.OfAsync(_program, "backup-restore", "--source", Path.Combine(folder, "store"), "--to", Path.Combine(folder, "target"))).Cost;

    private async Task<Cost> PgBackRestAsync(string folder)
    {
        _ = new PgBackRest(folder, _server.DataDirectory, "sync", processMax: 2);
        var (cost, _) = await Cost.OfAsync(PgBackRest.Program, [.. PgBackRestWords(folder), $"--pg1-port={_server.Port}", "--pg1-user=postgres", $"--pg1-socket-path={_server.RootDirectory}", "--type=full", "--start-fast", "--no-archive-check", "--compress-level=1", "--repo1-retention-full=1", "backup"]);
        return cost with { StoredMiB = SizeOf(Path.Combine(folder, "repo")) };
    }

    private async Task<Cost> PgBackRestRestoreAsync(string folder)
    {
        var target = Directory.CreateDirectory(Path.Combine(folder, "target")).FullName;
        return (await Cost.OfAsync(PgBackRest.Program, [.. PgBackRestWords(folder), $"--pg1-path={target}", "--type=none", "restore"])).Cost;
    }

    private static string[] PgBackRestWords(string folder) => [$"--config={folder}/pgbackrest.conf", "--stanza=main", "--process-max=2"];

    private async Task<Cost> PgBaseBackupAsync(string folder)
    {
        string[] connection = ["-h", "127.0.0.1", "-p", $"{_server.Port}", "-U", "postgres"];
        var (cost, _) = await Cost.OfAsync(Path.Combine(_server.BinDirectory, "pg_basebackup"), [.. connection, "-D", Path.Combine(folder, "tar"), "-Ft", "-Z", "client-zstd:1", "-X", "fetch", "-c", "fast"]);
        return cost with { StoredMiB = SizeOf(Path.Combine(folder, "tar")) };
    }

    private async Task<Cost> TarAsync(string folder)
    {
        var target = Directory.CreateDirectory(Path.Combine(folder, "target")).FullName;
        return (await Cost.OfAsync("/bin/sh", "-c", "zstd -q -d -c \"$1\" | tar -x -f - -C \"$2\" && sync -f \"$2\"", "sh", Path.Combine(folder, "tar", "base.tar.zst"), target)).Cost;
    }

    // The largest file, byte for byte: figures of a restore that restores something else say nothing.
    private async Task CompareAsync(string target)
    {
        var largest = new DirectoryInfo(Path.Combine(_server.DataDirectory, "base")).EnumerateFiles("*", SearchOption.AllDirectories).MaxBy(static f => f.Length)!.FullName;
        await Cost.OfAsync("cmp", largest, Path.Combine(target, Path.GetRelativePath(_server.DataDirectory, largest)));
    }

    // pgBackRest has a link to the newest backup beside it.
    private static double SizeOf(string folder, Func<string, bool>? counts = null) =>
        new DirectoryInfo(folder).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }).Where(f => counts?.Invoke(f.FullName) ?? true).Sum(static f => f.Length) / 1048576.0;

    private sealed record Case(string Name, Func<string, Task<Cost>> BackUp, Func<string, Task<Cost>> Restore)
    {
        public List<Cost> Backups { get; } = [];

        public List<Cost> Restores { get; } = [];
    }
}
