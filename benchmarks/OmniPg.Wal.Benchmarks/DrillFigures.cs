using System.Text.Json;

namespace OmniPg.Wal.Benchmarks;

/// <summary>What does a drill add to the restore and the replay that it is about? A backup, the WAL of a load behind it, then drills; beside each the restore alone, by its own verb.</summary>
internal static class DrillFigures
{
    /// <summary>Usage: drill PROGRAM [--gib G] [--rounds N] [--transactions N]</summary>
    public static async Task RunAsync(string program, string[] options)
    {
        program = Path.GetFullPath(program);
        var rounds = (int)Words.Number(options, "--rounds", 3);
        ProcessorTime.AdoptOrphans();
        using var root = FilledCluster.NewRoot();
        var archive = Directory.CreateDirectory(root.Combine("archive")).FullName;
        OmniPg.Testing.ServerAccount.Own(archive);
        // The WAL of the filling is nobody's business: what is archived is what comes behind init, which begins with an empty archive.
        await using var server = await FilledCluster.StartAsync(
            root.Path, Words.Number(options, "--gib", 2), $"test ! -e '{archive}/{WalArchiveMarker.Key}' || cp %p '{archive}/%f'");
        Console.WriteLine(await Cost.MachineAsync(server) + "\n");
        var store = Directory.CreateDirectory(root.Combine("store")).FullName;
        foreach (var place in (string[])[store, archive])
            await Cost.OfAsync(program, "init", "--data-dir", server.DataDirectory, "--archive", place);
        // The server of a drill runs under this account, too, and has to read whose archive it is.
        OmniPg.Testing.ServerAccount.Own(Path.Combine(archive, WalArchiveMarker.Key));
        await Cost.OfAsync(program, "backup", "--connection", server.ConnectionString, "--dst-local", $"zstd:1={store}", "--archive", archive);
        (await server.RunProgramAsync(
            "pgbench", "-n", "-c", "4", "-t", $"{Words.Number(options, "--transactions", 20000) / 4}", "-h", "127.0.0.1", "-p", $"{server.Port}", "-U", "postgres", "postgres")).MustSucceed();
        var last = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())");
        await OmniPg.Testing.Eventually.TrueAsync(
            () => File.Exists(Path.Combine(server.DataDirectory, "pg_wal", "archive_status", $"{last}.done")), "all WAL is archived", TimeSpan.FromSeconds(300), CancellationToken.None);

        Console.WriteLine("| round | drill, s | restore | replay | checks | x = all the rest, and checks | backup-restore alone, s | CPU of the drill, s | VmHWM, MiB |\n|---|---|---|---|---|---|---|---|---|");
        for (var round = 1; round <= rounds; round++)
        {
            await Cost.OfAsync("sync");
            var target = root.Combine("alone");
            var (alone, _) = await Cost.OfAsync(program, "backup-restore", "--source", store, "--archive", archive, "--to", target);
            Directory.Delete(target, recursive: true);
            await Cost.OfAsync("sync");
            var scratch = Directory.CreateDirectory(root.Combine("scratch")).FullName;
            OmniPg.Testing.ServerAccount.Own(scratch);
            var (drill, output) = await Cost.OfAsync(program, "drill", "--source", store, "--archive", archive, "--scratch", scratch, "--pg-bin", server.BinDirectory, "--check", "none", "--format", "json");
            Directory.Delete(scratch, recursive: true);
            using var report = JsonDocument.Parse(output);
            var phases = report.RootElement.GetProperty("seconds");
            var (restore, replay, checks) = (phases.GetProperty("restore").GetDouble(), phases.GetProperty("replay").GetDouble(), phases.GetProperty("checks").GetDouble());
            Console.WriteLine(FormattableString.Invariant(
                $"| {round} | {drill.Seconds:0.0} | {restore:0.0} | {replay:0.0} | {checks:0.0} | {drill.Seconds - restore - replay:0.0} | {alone.Seconds:0.0} | {drill.ProcessorSeconds:0.0} | {drill.PeakMiB:0} |"));
        }
    }
}
