using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;
using OmniPg.Wal.Tests.Receiving;

namespace OmniPg.Wal.Tests.Versions;

/// <summary>Base backups, standbys, drills and receivers on every server that <c>OMNIPG_TEST_PGBINS</c> names: their functions and replication commands differ by major version.</summary>
public sealed class ServerBackupTests
{
    private const string NoFolder = "";

    public static TheoryData<string> Folders => [.. PgInstallations.FromEnvironment().Select(i => i.BinDirectory).DefaultIfEmpty(NoFolder)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Folders))]
    public async Task A_backup_is_made_restored_and_drilled(string folder)
    {
        await using var scene = new BackupScene { Installation = Find(folder) };
        await scene.InitializeAsync();
        var (store, backup) = await scene.MadeAsync();
        await scene.Server.ExecuteAsync("INSERT INTO kept SELECT i, 'behind the backup' FROM generate_series(1001, 1100) i", Token);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var archive = await scene.PlainArchiveAsync();
        var (restored, scratch) = (scene.Fresh("restored"), Directory.CreateDirectory(scene.Fresh("s")).FullName);
        ServerAccount.Own(scratch);

        await new BackupRestore(store, scene.RestoreOptions()).RunAsync(restored, cancellationToken: Token);
        await using var server = await scene.StartAsync(restored);
        var drill = await new RestoreDrill(store, archive, new RestoreDrillOptions { RestoreCommand = $"cp '{archive.Root}/%f' '%p'", ScratchDirectory = scratch, BinDirectory = scene.Server.BinDirectory }).RunAsync(cancellationToken: Token);

        backup.PgVersion.Should().Be(scene.Server.MajorVersion);
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2100);
        (drill.Verdict, drill.Reason, drill.LostRows).Should().Be((RestoreDrillVerdict.Clean, null, 0), string.Join('\n', drill.Findings));
        drill.Rows.Should().BeGreaterThanOrEqualTo(2100);
        (await scene.Server.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver", Token)).Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public async Task A_backup_by_pg_basebackup_is_restored_by_itself_with_and_without_tablespaces(string folder)
    {
        foreach (var hasTablespace in (bool[])[false, true])
        {
            await using var scene = new BackupScene { Installation = Find(folder), HasTablespace = hasTablespace };
            await scene.InitializeAsync();
            var store = await scene.NewStoreAsync();
            var options = new BaseBackupOptions { Method = BackupMethod.PgBaseBackup, BinDirectory = scene.Server.BinDirectory, StagingDirectory = Directory.CreateDirectory(scene.Fresh("staging")).FullName };
            var restoring = scene.RestoreOptions();
            (restoring.RestoreCommand, var restored) = (null, scene.Fresh("restored"));

            var made = (await scene.BackupTo(store, withArchive: false, options).RunAsync(cancellationToken: Token)).Backup;
            await new BackupRestore(store, restoring).RunAsync(restored, cancellationToken: Token);
            var verified = await scene.RunAsync("pg_verifybackup", "-n", restored);
            await using var server = await scene.StartAsync(restored);

            (made.PgVersion, made.Tablespaces.Count, made.Problem).Should().Be((scene.Server.MajorVersion, hasTablespace ? 1 : 0, null));
            (await new BackupCatalog(store).VerifyAsync(made.Id, cancellationToken: Token)).Problems.Should().BeEmpty();
            verified.ExitCode.Should().Be(0, verified.Error);
            (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public async Task A_standby_is_backed_up_and_a_receiver_follows_its_promotion(string folder)
    {
        await using var scene = new BackupScene { Installation = Find(folder) };
        await scene.InitializeAsync();
        await scene.Server.ExecuteAsync(ReceiveScene.Grants, Token);
        await scene.Server.ExecuteAsync("CREATE TABLE load (id serial PRIMARY KEY, filler text)", Token);
        await using var standby = await scene.StandbyAsync();
        var store = await scene.NewStoreAsync();

        var backup = await FromStandbyAsync(scene, standby, store);
        var options = new WalReceiverOptions { Slot = "follower", CreateSlot = true, Directory = Directory.CreateDirectory(scene.Fresh("into")).FullName, FlushInterval = TimeSpan.FromMilliseconds(50), LongestWait = TimeSpan.FromMilliseconds(500) };
        await using var running = await RunningReceiver.StartAsync(standby, standby.GetConnectionString(user: "receiver"), options);
        await ReceiveScene.LoadAsync(scene.Server, 2);
        await scene.ReplayedAsync(standby);
        await standby.ExecuteAsync("SELECT pg_promote()", Token);
        await ReceiveScene.LoadAsync(standby, 2);
        await running.SwitchAsync();
        await running.StopAsync();

        (backup.FromStandby, backup.PgVersion, backup.Problem).Should().Be((true, scene.Server.MajorVersion, null));
        (await new BackupCatalog(store).VerifyAsync(backup.Id, scene.ArchiveStore, cancellationToken: Token)).Problems.Should().BeEmpty();
        running.Receiver.Status.Timeline.Should().Be(2);
        running.Segments.Should().Contain(n => n.StartsWith("00000001", StringComparison.Ordinal)).And.Contain(n => n.StartsWith("00000002", StringComparison.Ordinal));
        foreach (var name in running.Segments)
            File.ReadAllBytes(Path.Combine(running.Into, name)).AsSpan().SequenceEqual(ReceiveScene.Original(standby, name)).Should().BeTrue(name);
        var verified = await new WalRepository(new DirectoryObjectStore(running.Into)).VerifyAsync(cancellationToken: Token);
        verified.IsGood.Should().BeTrue("{0} {1}", string.Join(' ', verified.Gaps), string.Join(' ', verified.Problems));
    }

    // The WAL of such a backup ends in a segment that only the primary can end.
    private static async Task<BackupInfo> FromStandbyAsync(BackupScene scene, PgCluster standby, IObjectStore store)
    {
        var making = new BaseBackup(standby.DataSource, store, scene.ArchiveStore).RunAsync(cancellationToken: Token);
        await Eventually.TrueAsync(
            async () =>
            {
                await scene.Server.ExecuteAsync("SELECT pg_create_restore_point('standby')", Token);
                await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
                await scene.ArchivedAsync();
                return making.IsCompleted;
            },
            "the backup ends", TimeSpan.FromSeconds(120), Token);
        return (await making).Backup;
    }

    private static PgInstallation Find(string folder)
    {
        Assert.SkipWhen(folder == NoFolder, "OMNIPG_TEST_PGBINS names no server.");
        return PgInstallations.FromEnvironment().First(i => i.BinDirectory == folder);
    }
}
