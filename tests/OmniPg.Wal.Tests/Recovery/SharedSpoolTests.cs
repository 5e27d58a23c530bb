using OmniPg.Shared;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Recovery;

/// <summary>Two forks of one cluster have segments of the same names and the same system identifier: a spool must not mix them up.</summary>
[Collection(nameof(RecoveryCollection))]
public sealed class SharedSpoolTests(RecoveryScene scene)
{
    private const int Rounds = 6;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_recovery_gets_its_own_fork_whatever_another_one_has_left_or_still_fetches_in_the_spool()
    {
        var (first, ours) = (await ForkAsync("fork1", 1000), await ForkAsync("fork2", 2000));
        var segments = Directory.GetFiles(ours, "00000002????????????????.zst").Select(f => Path.GetFileName(f)[..24]).Order(StringComparer.Ordinal).ToArray();
        segments.Length.Should().BeGreaterThanOrEqualTo(Rounds);
        foreach (var killed in (bool[])[true, false])
        {
            var spool = Directory.CreateDirectory(Path.Combine(scene.Root, $"spool-{killed}")).FullName;
            ServerAccount.Own(spool);
            var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "recovery.signal", Token);
            // The same data directory asks the first fork, and its prefetch process fetches what follows from there.
            // Asked again until all is there, as a recovery does: on a busy machine the process may have ended, and cleaned up, before the last one came.
            await Eventually.TrueAsync(
                async () =>
                {
                    (await RestoreAsync(data, spool, first, segments[0])).MustSucceed();
                    return Directory.GetFiles(spool, segments[^1], SearchOption.AllDirectories).Length == 1 && (!killed || Kill(spool));
                },
                "the first fork is in the spool", TimeSpan.FromSeconds(60), Token);
            if (killed)
                await Eventually.TrueAsync(() => !FileLock.IsHeld(LockOf(spool)), "the prefetch process is gone", cancellationToken: Token);

            await using var recovered = await RecoveryScene.StartAsync(data, Command(spool, ours));

            (await recovered.ScalarAsync<string>("SELECT string_agg(id::text, ' ' ORDER BY id) FROM kept WHERE id > 200", Token))
                .Should().Be(string.Join(' ', Enumerable.Range(2001, Rounds)), recovered.ReadLog());
            recovered.ReadLog().Should().NotContain("prev-link");
        }
    }

    private static string LockOf(string spool) => Path.Combine(spool, "get", ".lock");

    // False when the process has ended by itself meanwhile.
    private static bool Kill(string spool) => FileLock.ReadProcess(LockOf(spool)) is { } holder && ServerAccount.Signal(holder, 9);

    /// <summary>An archive whose second timeline holds one row per segment.</summary>
    private async Task<string> ForkAsync(string name, int firstId)
    {
        var archive = Directory.CreateDirectory(Path.Combine(scene.Root, name)).FullName;
        foreach (var file in Directory.GetFiles(scene.Archive))
            File.Copy(file, Path.Combine(archive, Path.GetFileName(file)));
        ServerAccount.Own(archive);
        await using var fork = await scene.RecoverAsync(
            scene.RestoreCommand(archive),
            ("recovery_target_name", RecoveryScene.PointName), ("archive_mode", "on"), ("archive_command", scene.Program.Line("archive", "--dst-local", $"zstd={archive}", "%p")));
        var last = "";
        for (var id = firstId + 1; id <= firstId + Rounds; id++)
        {
            await fork.ExecuteAsync($"INSERT INTO kept VALUES ({id}, 'same size')", Token);
            last = await fork.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);
        }

        await Eventually.TrueAsync(() => File.Exists(Path.Combine(archive, last + ".zst")), $"'{last}' is archived\n{fork.ReadLog()}", TimeSpan.FromSeconds(60), Token);
        return archive;
    }

    private string Command(string spool, string source) =>
        scene.Program.Line("restore", "--timeout", "1", "--spool", spool, "--process-max", "2", "--queue-max", "64MB", "--source", source, "%f", "%p");

    private Task<ProgramResult> RestoreAsync(string data, string spool, string source, string segment) => ServerProgram.RunAsync(
        "/bin/sh", ["-c", Command(spool, source).Replace("\"%f\"", segment, StringComparison.Ordinal).Replace("\"%p\"", "pg_wal/TRIED", StringComparison.Ordinal)], data, Token);
}
