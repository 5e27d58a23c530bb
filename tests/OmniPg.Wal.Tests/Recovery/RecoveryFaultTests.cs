using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Recovery;

[Collection(nameof(RecoveryCollection))]
public sealed class RecoveryFaultTests(RecoveryScene scene)
{
    [Fact]
    public async Task Storage_that_fails_in_the_middle_stops_the_recovery_and_it_completes_when_the_storage_is_back()
    {
        var token = TestContext.Current.CancellationToken;
        var archive = CopyOfArchive("failing");
        var middle = MiddleSegment();
        // The mount goes away just before the server asks for this segment.
        var command = $"if [ %f = {middle} ]; then mv {archive} {archive}.gone; fi; {scene.RestoreCommand(archive)}";
        var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "recovery.signal", token);

        var failed = await RunServerAsync(data, command);

        failed.ExitCode.Should().NotBe(0);
        failed.Error.Should().Contain($"'{archive}' does not exist").And.Contain("FATAL");
        failed.Error.Should().NotContain("archive recovery complete");
        File.Exists(Path.Combine(data, "recovery.signal")).Should().BeTrue("the recovery is not over");

        Directory.Move(archive + ".gone", archive);
        await using var recovered = await StartAsync(data, scene.RestoreCommand(archive));
        (await recovered.ScalarAsync<long>("SELECT count(*) FROM kept", token)).Should().Be(200);
    }

    [Fact]
    public async Task Corrupt_only_copy_is_never_handed_out_and_a_second_source_heals_the_recovery()
    {
        var token = TestContext.Current.CancellationToken;
        var archive = CopyOfArchive("corrupt");
        var damaged = Path.Combine(archive, MiddleSegment() + ".zst");
        var bytes = await File.ReadAllBytesAsync(damaged, token);
        bytes[bytes.Length / 2] ^= 0x55;
        await File.WriteAllBytesAsync(damaged, bytes, token);
        var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "recovery.signal", token);

        var failed = await RunServerAsync(data, scene.RestoreCommand(archive));
        await using var recovered = await StartAsync(data, scene.RestoreCommand(archive, scene.Archive));

        failed.ExitCode.Should().NotBe(0);
        failed.Error.Should().Contain("has no valid copy").And.NotContain("archive recovery complete");
        (await recovered.ScalarAsync<long>("SELECT count(*) FROM kept", token)).Should().Be(200);
    }

    [Fact]
    public async Task Standby_goes_on_with_streaming_behind_the_end_of_the_archive_and_archives_history_and_partial_when_promoted()
    {
        var token = TestContext.Current.CancellationToken;
        var archive = CopyOfArchive("standby");
        var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "standby.signal", token);
        await using var standby = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                ExistingDataDirectory = data,
                Settings = RecoveryScene.Settings(
                    scene.RestoreCommand(archive),
                    ("primary_conninfo", $"host=127.0.0.1 port={scene.Primary.Port} user=postgres"),
                    ("archive_mode", "on"),
                    ("archive_command", scene.Program.Line("archive", "--dst-local", $"zstd={archive}", "%p"))),
            },
            token);

        await scene.Primary.ExecuteAsync("CREATE TABLE IF NOT EXISTS streamed (id int)", token);
        await scene.Primary.ExecuteAsync("INSERT INTO streamed VALUES (1)", token);

        await Eventually.TrueAsync(
            async () => await standby.ScalarAsync<bool>("SELECT to_regclass('streamed') IS NOT NULL", token)
                && await standby.ScalarAsync<long>("SELECT count(*) FROM streamed", token) > 0,
            $"the row arrives\n{standby.ReadLog()}",
            cancellationToken: token);
        (await standby.ScalarAsync<long>("SELECT count(*) FROM pg_stat_wal_receiver", token)).Should().Be(1);
        standby.ReadLog().Should().Contain("restored log file");

        (await standby.ScalarAsync<bool>("SELECT pg_promote()", token)).Should().BeTrue();
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(archive, "00000002.history.zst")) && Directory.GetFiles(archive, "00000001*.partial.zst").Length == 1,
            "history and partial segment are archived",
            TimeSpan.FromSeconds(60),
            token);
    }

    [Fact]
    public async Task A_standby_that_archives_always_agrees_with_its_primary_in_one_archive()
    {
        var token = TestContext.Current.CancellationToken;
        var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "standby.signal", token);
        await using var standby = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                ExistingDataDirectory = data,
                Settings = RecoveryScene.Settings(
                    scene.RestoreCommand(),
                    ("archive_mode", "always"),
                    ("archive_command", scene.Program.Line("archive", "--dst-local", $"zstd={scene.Archive}", "%p"))),
            },
            token);
        var before = Directory.GetFiles(scene.Archive).ToDictionary(f => f, File.GetLastWriteTimeUtc);

        await Eventually.TrueAsync(
            async () => await standby.ScalarAsync<long>("SELECT archived_count FROM pg_stat_archiver", token) >= 3,
            $"the standby has archived\n{standby.ReadLog()}",
            TimeSpan.FromSeconds(60),
            token);

        (await standby.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver", token)).Should().Be(0, standby.ReadLog());
        standby.ReadLog().Should().Contain("with equal content");
        before.Should().OnlyContain(f => File.GetLastWriteTimeUtc(f.Key) == f.Value);
    }

    [Fact]
    public async Task Promotion_archives_a_new_timeline_and_recovery_follows_it()
    {
        var token = TestContext.Current.CancellationToken;
        var archive = CopyOfArchive("promoted");
        var archiving = ("archive_command", scene.Program.Line("archive", "--dst-local", $"zstd={archive}", "%p"));
        var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "recovery.signal", token);
        await using (var promoted = await StartAsync(
            data, scene.RestoreCommand(archive), ("recovery_target_name", RecoveryScene.PointName), ("archive_mode", "on"), archiving))
        {
            await promoted.ExecuteAsync("INSERT INTO kept SELECT i, 'timeline 2' FROM generate_series(1001, 1050) i", token);
            var last = await promoted.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", token);
            last.Should().StartWith("00000002");
            await Eventually.TrueAsync(() => File.Exists(Path.Combine(archive, last + ".zst")), promoted.ReadLog(), cancellationToken: token);
        }

        await using var followed = await scene.RecoverAsync(scene.RestoreCommand(archive));

        (await followed.ScalarAsync<string>("SELECT count(*) || ' ' || max(id) FROM kept", token)).Should().Be("150 1050");
        (await followed.ScalarAsync<int>("SELECT timeline_id FROM pg_control_checkpoint()", token)).Should().BeGreaterThanOrEqualTo(2);
        Directory.GetFiles(archive).Select(Path.GetFileName).Should().Contain("00000002.history.zst");
        await CleanupKeepsWhatBothTimelinesNeedAsync(archive);
    }

    private static async Task CleanupKeepsWhatBothTimelinesNeedAsync(string archive)
    {
        var token = TestContext.Current.CancellationToken;
        var repository = new WalRepository(new DirectoryObjectStore(archive));
        var timelines = await repository.GetTimelinesAsync(token);
        var window = await repository.GetRecoveryWindowAsync(token);
        var keep = timelines.Single(t => t.Timeline == 2).First!.Value;

        var result = await repository.CleanupAsync(keep, cancellationToken: token);

        window.Timeline.Should().Be(2);
        window.Gaps.Should().BeEmpty();
        timelines.Select(t => t.Timeline).Should().Equal(1u, 2u);
        result.Removed.Should().OnlyContain(f => f.Name.Position < keep.Position).And.NotBeEmpty();
        var left = new List<WalArchivedFile>();
        await foreach (var file in repository.ListAsync(token))
            left.Add(file);
        left.Should().Contain(f => f.Name == WalFileName.ForHistory(2)).And.Contain(f => f.Name.Timeline == 1 && f.Name.Kind == WalFileKind.Segment);
    }

    private string MiddleSegment()
    {
        var names = Directory.GetFiles(scene.PlainCopies).Select(f => Path.GetFileName(f)!).Where(n => n.Length == 24).Order(StringComparer.Ordinal).ToArray();
        return names[^3];
    }

    private string CopyOfArchive(string name)
    {
        var copy = Directory.CreateDirectory(Path.Combine(scene.Root, name)).FullName;
        foreach (var file in Directory.GetFiles(scene.Archive))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        ServerAccount.Own(copy);
        return copy;
    }

    private static Task<PgCluster> StartAsync(string data, string restoreCommand, params (string Name, string Value)[] settings) =>
        RecoveryScene.StartAsync(data, restoreCommand, settings);

    /// <summary>Runs a server that is expected to end by itself.</summary>
    private async Task<ProgramResult> RunServerAsync(string data, string restoreCommand)
    {
        var settings = RecoveryScene.Settings(
            restoreCommand, ("listen_addresses", ""), ("unix_socket_directories", scene.Root), ("port", "1"),
            ("max_prepared_transactions", "10"), ("max_wal_senders", "10"), ("wal_level", "logical"));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(5));
        return await ServerProgram.RunAsync(
            Path.Combine(scene.Primary.BinDirectory, "postgres"), ["-D", data, .. settings.SelectMany(s => (string[])["-c", $"{s.Key}={s.Value}"])], data, limit.Token);
    }
}
