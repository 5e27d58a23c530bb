using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Backups by <c>pg_basebackup</c> of a server with a tablespace, through a staging folder.</summary>
[Collection(nameof(BackupCollection))]
public sealed class StagedBackupTests(BackupScene scene)
{
    private const int PageBytes = 8192;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cluster_with_a_tablespace_comes_through_the_staging_folder_and_back(bool withArchive)
    {
        var store = await scene.NewStoreAsync();
        var options = Options();

        var made = await scene.BackupTo(store, withArchive, options).RunAsync(cancellationToken: Token);
        var verified = await new BackupCatalog(store).VerifyAsync(made.Backup.Id, withArchive ? scene.ArchiveStore : null, cancellationToken: Token);
        var folder = scene.Fresh("restored");
        var restoring = scene.RestoreOptions();
        restoring.RestoreCommand = withArchive ? restoring.RestoreCommand : null;
        await new BackupRestore(store, restoring).RunAsync(folder, cancellationToken: Token);
        var checkedFiles = await scene.RunAsync("pg_verifybackup", "-n", folder);
        await using var server = await scene.StartAsync(folder);

        made.Backup.Tablespaces.Select(t => t.Location).Should().Equal(scene.Tablespace);
        made.Backup.Parts.Select(p => p.Key.Split('/')[1]).Should().Equal($"{made.Backup.Tablespaces[0].Oid}.tar.zst", "base.tar.zst");
        made.Backup.IncludesWal.Should().Be(!withArchive);
        verified.Problems.Should().BeEmpty();
        checkedFiles.ExitCode.Should().Be(0, checkedFiles.Error);
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
        Directory.EnumerateFileSystemEntries(options.StagingDirectory!).Should().BeEmpty();
    }

    [Fact]
    public async Task Without_a_staging_folder_the_tablespaces_are_named_and_nothing_is_written()
    {
        var store = await scene.NewStoreAsync();

        var failure = (await scene.BackupTo(store, options: new BaseBackupOptions { Method = BackupMethod.PgBaseBackup }).Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Code.Should().Be("wal.backup.tablespace");
        failure.Message.Should().StartWith($"The cluster has tablespaces ('{scene.Tablespace}'), and pg_basebackup writes no more than one folder into a pipe.");
        failure.Hint.Should().Contain("'--staging'");
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Should().Equal(Path.Combine(store.Root, WalArchiveMarker.Key));
    }

    [Fact]
    public async Task What_a_killed_backup_left_in_the_staging_folder_is_removed_by_the_next_and_what_is_somebody_elses_stays()
    {
        var store = await scene.NewStoreAsync();
        var options = Options();
        var staged = Path.Combine(options.StagingDirectory!, "omnipg-staging");
        using var program = WalProgram.Start(
            null,
            [
                "backup", "--method", "pg_basebackup", "--pg-bin", scene.Server.BinDirectory, "--staging", options.StagingDirectory!, "--connection", scene.Server.ConnectionString, "--dst-local", $"none={store.Root}",
                "--max-rate", "1MB", "--archive", scene.Archive,
            ]);
        // The last that the server sends.
        await Eventually.TrueAsync(() => Directory.Exists(staged) && Directory.EnumerateFiles(staged, "base.tar", SearchOption.AllDirectories).Any(), "data is staged", cancellationToken: Token);
        var inUse = (await scene.BackupTo(await scene.NewStoreAsync(), options: options).Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;
        ServerAccount.Signal(program.Id, 9);
        await program.WaitForExitAsync(Token);
        var left = Directory.GetFiles(staged, "*", SearchOption.AllDirectories);
        await File.WriteAllTextAsync(Path.Combine(staged, "notes.txt"), "mine", Token);

        var foreign = (await scene.BackupTo(store, options: options).Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;
        var notes = await File.ReadAllTextAsync(Path.Combine(staged, "notes.txt"), Token);
        var keptBeside = Directory.GetFiles(staged, "*", SearchOption.AllDirectories);
        File.Delete(Path.Combine(staged, "notes.txt"));
        var made = (await scene.BackupTo(store, options: options).RunAsync(cancellationToken: Token)).Backup;

        inUse.Message.Should().StartWith($"The staging folder '{options.StagingDirectory}' cannot be used: another backup uses it.");
        left.Select(Path.GetFileName).Should().Contain("base.tar");
        (foreign.Code, notes).Should().Be(("wal.backup.staging", "mine"));
        keptBeside.Should().Contain(left, "nothing goes before all of it is known to be a backup's");
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((made.Id, null));
        Directory.EnumerateFileSystemEntries(options.StagingDirectory!).Should().BeEmpty();
    }

    [Fact]
    public async Task A_damaged_page_is_told_and_the_backup_is_made()
    {
        await scene.Server.ExecuteAsync("CREATE TABLE staged_damage AS SELECT i, md5(i::text) AS t FROM generate_series(1, 5000) i", Token);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        await using var table = await PageCheckTests.Table.OfAsync(scene, "staged_damage", "TABLE");
        table.Flip((7 * PageBytes) + 5000);
        table.Flip((9 * PageBytes) + 20);
        var store = await scene.NewStoreAsync();
        var options = Options();
        options.VerifyPages = false;

        var made = await scene.BackupTo(store, options: Options()).RunAsync(cancellationToken: Token);
        var unseen = await scene.BackupTo(await scene.NewStoreAsync(), options: options).RunAsync(cancellationToken: Token);

        (made.DamagedPageCount, made.Backup.DamagedPages, unseen.DamagedPageCount).Should().Be((2, 2, 0));
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Problem, b.DamagedPages)).Should().Equal((null, 2));
    }

    [Fact]
    public async Task A_backup_of_a_standby_is_restored_as_a_primary_that_recovers_to_its_end()
    {
        await using var standby = await scene.StandbyAsync();
        var store = await scene.NewStoreAsync();
        var options = Options();
        options.RequireStandby = true;

        // The WAL of the backup ends in a segment that only the primary can end.
        var making = new BaseBackup(standby.DataSource, store, scene.ArchiveStore, options).RunAsync(cancellationToken: Token);
        await Eventually.TrueAsync(
            async () =>
            {
                await scene.Server.ExecuteAsync("SELECT pg_create_restore_point('standby')", Token);
                await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
                await scene.ArchivedAsync();
                return making.IsCompleted;
            },
            "the backup ends", TimeSpan.FromSeconds(120), Token);
        var made = (await making).Backup;
        var folder = scene.Fresh("restored");
        var restoring = scene.RestoreOptions();
        restoring.TablespaceMap = new Dictionary<string, string> { [made.Tablespaces.Single().Location] = scene.Fresh("space") };
        restoring.RestoreCommand = $"cp '{(await scene.PlainArchiveAsync()).Root}/%f' '%p'";
        await new BackupRestore(store, restoring).RunAsync(folder, cancellationToken: Token);
        var signals = Directory.GetFiles(folder, "*.signal").Select(Path.GetFileName).ToList();
        var checkedFiles = await scene.RunAsync("pg_verifybackup", "-n", folder);
        await using var restored = await scene.StartAsync(folder);

        (made.FromStandby, made.Problem).Should().Be((true, null));
        signals.Should().Equal("recovery.signal");
        checkedFiles.ExitCode.Should().Be(0, checkedFiles.Error);
        (await restored.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
    }

    private BaseBackupOptions Options() => new() { Method = BackupMethod.PgBaseBackup, BinDirectory = scene.Server.BinDirectory, StagingDirectory = Directory.CreateDirectory(scene.Fresh("staging")).FullName };
}
