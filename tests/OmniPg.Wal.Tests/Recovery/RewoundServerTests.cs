using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Recovery;

/// <summary>A server that is thrown back to another timeline by <c>pg_rewind</c> still has the state and the spool of the one it left.</summary>
[Collection(nameof(RecoveryCollection))]
public sealed class RewoundServerTests(RecoveryScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_rewound_server_follows_the_new_timeline_and_archives_the_next_one_beside_its_old_state_and_spool()
    {
        var (archive, state, spool) = (Make("rewound"), Make("rewound-state"), Make("rewound-spool"));
        foreach (var file in Directory.GetFiles(scene.Archive))
            File.Copy(file, Path.Combine(archive, Path.GetFileName(file)));
        ServerAccount.Own(archive);
        var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "recovery.signal", Token);
        // pg_rewind runs the command somewhere else.
        var restore = scene.Program.Line("restore", "--data-dir", data, "--timeout", "1", "--spool", spool, "--process-max", "2", "--source", archive, "%f", "%p");
        await using var old = await RecoveryScene.StartAsync(
            data, restore, ("recovery_target_name", RecoveryScene.PointName), ("wal_log_hints", "on"), ("full_page_writes", "on"), ("archive_mode", "on"),
            ("archive_command", scene.Program.Line("archive", "--state-dir", state, "--dst-local", $"zstd={archive}", "%p")));
        await WriteAsync(old, archive, 1001);
        await using var promoted = await scene.RecoverAsync(
            scene.RestoreCommand(archive), ("full_page_writes", "on"), ("archive_mode", "on"), ("archive_command", scene.Program.Line("archive", "--dst-local", $"zstd={archive}", "%p")));
        await WriteAsync(old, archive, 3001);
        await WriteAsync(promoted, archive, 2001);

        await old.StopAsync(cancellationToken: Token);
        await File.AppendAllTextAsync(Path.Combine(data, "postgresql.auto.conf"), $"restore_command = '{restore.Replace("'", "''", StringComparison.Ordinal)}'\n", Token);
        var rewound = await promoted.RunProgramAsync("pg_rewind", "-D", data, "--source-server", $"host=127.0.0.1 port={promoted.Port} user=postgres dbname=postgres", "-c", "-R", "--no-sync");
        rewound.MustSucceed();
        await old.StartAgainAsync(new Dictionary<string, string> { ["recovery_target_name"] = "" }, Token);
        await Eventually.TrueAsync(
            () => old.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM kept WHERE id = 2003)", Token), $"the rewound server follows\n{old.ReadLog()}", TimeSpan.FromSeconds(60), Token);
        await old.ExecuteAsync("SELECT pg_promote()", Token);
        await WriteAsync(old, archive, 4001);

        (await old.ScalarAsync<string>("SELECT string_agg(id::text, ' ' ORDER BY id) FROM kept WHERE id > 200", Token))
            .Should().Be("1001 1002 1003 2001 2002 2003 4001 4002 4003", old.ReadLog());
        // A promotion asks for its checkpoint and does not wait for it (xlog.c, PerformRecoveryXLogAction).
        await old.ExecuteAsync("CHECKPOINT", Token);
        (await old.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()", Token)).Should().Be(4);
        (await old.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver", Token)).Should().Be(0, old.ReadLog());
        var verified = await new WalRepository(new DirectoryObjectStore(archive)).VerifyAsync(cancellationToken: Token);
        verified.Problems.Should().BeEmpty();
        verified.Gaps.Should().BeEmpty();
    }

    private string Make(string name)
    {
        var path = Directory.CreateDirectory(Path.Combine(scene.Root, name)).FullName;
        ServerAccount.Own(path);
        return path;
    }

    // Three segments with a row each, all of them archived.
    private static async Task WriteAsync(PgCluster server, string archive, int first)
    {
        var last = "";
        for (var id = first; id < first + 3; id++)
        {
            await server.ExecuteAsync($"INSERT INTO kept VALUES ({id}, 'same size')", Token);
            last = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);
        }

        await Eventually.TrueAsync(() => File.Exists(Path.Combine(archive, last + ".zst")), $"'{last}' is archived\n{server.ReadLog()}", TimeSpan.FromSeconds(60), Token);
    }
}
