using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

[Collection(nameof(BackupCollection))]
public sealed class BackupFaultTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_is_written_into_a_store_that_was_not_begun()
    {
        var folder = Directory.CreateDirectory(scene.Fresh("unmounted")).FullName;

        var failure = await FailureAsync<WalArchiveAbsentException>(() => scene.BackupTo(new DirectoryObjectStore(folder)).RunAsync(cancellationToken: Token));

        failure.Message.Should().Contain(folder).And.Contain("omnipg-wal init");
        Directory.EnumerateFileSystemEntries(folder).Should().BeEmpty();
    }

    [Fact]
    public async Task A_store_of_another_cluster_is_refused()
    {
        var folder = Directory.CreateDirectory(scene.Fresh("foreign")).FullName;
        var store = new DirectoryObjectStore(folder);
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(store, Token);

        var failure = await FailureAsync<WalArchiveMismatchException>(() => scene.BackupTo(store).RunAsync(cancellationToken: Token));

        failure.Message.Should().Contain("'42'");
        Directory.GetDirectories(folder).Should().BeEmpty();
    }

    [Fact]
    public async Task The_data_directory_of_another_server_is_refused()
    {
        await using var other = await PgCluster.StartAsync(new PgClusterOptions { Installation = scene.Installation }, Token);
        var store = await scene.NewStoreAsync();

        var failure = await FailureAsync<WalBackupException>(
            () => scene.BackupTo(store, options: new BaseBackupOptions { DataDirectory = other.DataDirectory }).RunAsync(cancellationToken: Token));

        failure.Code.Should().Be("wal.backup.other-server");
        failure.Message.Should().Contain(other.DataDirectory).And.Contain($"'{other.Port}'").And.Contain($"'{scene.Server.Port}'");
        (await new BackupCatalog(store).ListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_backup_whose_session_is_ended_leaves_nothing_behind()
    {
        var store = await scene.NewStoreAsync();
        var backup = scene.BackupTo(store);

        var failure = await FailureAsync<WalBackupException>(() => backup.RunAsync(new Once(EndSessions), Token));

        failure.Code.Should().Be("wal.backup.session-lost");
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Should().Equal(Path.Combine(store.Root, WalArchiveMarker.Key));
        (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup.Problem.Should().BeNull();

        void EndSessions()
        {
            using var connection = new NpgsqlConnection(scene.Server.ConnectionString);
            connection.Open();
            using var command = new NpgsqlCommand("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%pg_backup_start%' AND pid <> pg_backend_pid()", connection);
            command.ExecuteScalar().Should().Be(1L);
        }
    }

    [Fact]
    public async Task A_server_that_is_killed_in_the_middle_of_its_backup_leaves_none()
    {
        await using var other = await PgCluster.StartAsync(new PgClusterOptions { Installation = scene.Installation, InitDbArguments = ["--wal-segsize=1"] }, Token);
        var store = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("killed")).FullName);
        var control = await PgControlFile.ReadAsync(other.DataDirectory, cancellationToken: Token);
        await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = other.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, Token);

        var failure = await FailureAsync<WalBackupException>(() => new BaseBackup(other.DataSource, store).RunAsync(new Once(other.KillHard), Token));

        failure.Code.Should().Be("wal.backup.session-lost");
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Should().Equal(Path.Combine(store.Root, WalArchiveMarker.Key));
    }

    [Fact]
    public async Task A_cancelled_backup_leaves_nothing_behind_and_ends_on_the_server()
    {
        var store = await scene.NewStoreAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);

        var failed = async () => await scene.BackupTo(store).RunAsync(new Once(stop.Cancel), stop.Token);

        await failed.Should().ThrowAsync<OperationCanceledException>();
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Should().Equal(Path.Combine(store.Root, WalArchiveMarker.Key));
        // In a session that still holds a backup, a second start is refused.
        (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup.Problem.Should().BeNull();
    }

    [Fact]
    public async Task A_backup_whose_WAL_does_not_arrive_is_none()
    {
        var store = await scene.NewStoreAsync();
        var emptyArchive = await scene.NewStoreAsync();
        var backup = new BaseBackup(scene.Server.DataSource, store, emptyArchive, new BaseBackupOptions { WalTimeout = TimeSpan.FromMilliseconds(100) });

        var failure = await FailureAsync<WalBackupException>(() => backup.RunAsync(cancellationToken: Token));

        failure.Code.Should().Be("wal.backup.wal-missing");
        failure.Message.Should().Contain(failure.File!).And.Contain(emptyArchive.Root);
        (await new BackupCatalog(store).ListAsync(Token)).Should().BeEmpty();
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Should().ContainSingle();
    }

    [Fact]
    public async Task An_archive_that_is_away_for_a_moment_ends_no_backup_and_one_that_stays_away_is_named()
    {
        var (_, backup) = await scene.MadeAsync();
        var asked = 0;
        var moment = new HookedStore(scene.ArchiveStore)
        {
            Reading = _ =>
            {
                if (asked++ == 0)
                    throw new IOException("Slow down.");
            },
        };
        var away = new HookedStore(scene.ArchiveStore) { IsDead = true };

        await BackupWal.Of(backup).ArriveAsync(moment, TimeSpan.FromMinutes(1), TimeProvider.System, Token);
        var failure = await FailureAsync<WalBackupException>(() => BackupWal.Of(backup).ArriveAsync(away, TimeSpan.FromMilliseconds(100), TimeProvider.System, Token));

        asked.Should().BeGreaterThan(1);
        failure.Code.Should().Be("wal.backup.wal-missing");
        failure.Message.Should().Contain(failure.File!).And.Contain("within '00:00:00.1000000': The process was killed. Hint");
    }

    [Fact]
    public async Task A_disk_that_is_full_ends_the_backup_and_nothing_counts()
    {
        using var disk = TmpfsMount.TryCreate(4 << 20);
        Assert.SkipWhen(disk is null, "This account may not mount a file system.");
        var store = new DirectoryObjectStore(disk.Path);
        var control = await PgControlFile.ReadAsync(scene.Server.DataDirectory, cancellationToken: Token);
        await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = 15, WalSegmentSize = control.SegmentSize }.WriteAsync(store, Token);

        var failure = await FailureAsync<WalDestinationException>(() => scene.BackupTo(store, options: new BaseBackupOptions { Codec = "none" }).RunAsync(cancellationToken: Token));

        failure.Message.Should().Contain("base.tar").And.Contain("No space left on device");
        (await new BackupCatalog(store).ListAsync(Token)).Should().BeEmpty();
        Directory.GetFiles(disk.Path, "*", SearchOption.AllDirectories).Should().ContainSingle();
    }

    [Fact]
    public async Task A_disk_that_is_full_ends_a_restore_and_no_server_would_start_on_what_is_there()
    {
        using var disk = TmpfsMount.TryCreate(8 << 20);
        Assert.SkipWhen(disk is null, "This account may not mount a file system.");
        var (store, backup) = await scene.MadeAsync();
        var options = scene.RestoreOptions();
        options.BackupId = backup.Id;
        var folder = Path.Combine(disk.Path, "restored");

        var failure = await FailureAsync<WalBackupException>(() => new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token));

        failure.Code.Should().Be("wal.backup.target");
        failure.Message.Should().Contain(folder).And.Contain("No space left on device");
        File.Exists(Path.Combine(folder, PgControlFile.RelativePath)).Should().BeFalse();
        Directory.Exists(Path.Combine(folder, "base")).Should().BeTrue("it broke off in the middle");
    }

    [Fact]
    public async Task A_disk_that_is_full_ends_a_copy_and_what_is_listed_there_is_whole()
    {
        using var disk = TmpfsMount.TryCreate(2 << 20);
        Assert.SkipWhen(disk is null, "This account may not mount a file system.");
        var (store, _) = await scene.MadeAsync();
        var target = new DirectoryObjectStore(disk.Path);

        var failure = await FailureAsync<WalDestinationException>(() => new RepositoryCopy(scene.ArchiveStore, target, new RepositoryCopyOptions { Begin = true }, store).RunAsync(cancellationToken: Token));

        failure.Message.Should().Contain(target.Id).And.Contain("No space left on device");
        (await new BackupCatalog(target).ListAsync(Token)).Should().BeEmpty();
        var there = await new WalRepository(target).VerifyAsync(cancellationToken: Token);
        there.Problems.Should().BeEmpty();
        Directory.EnumerateFiles(disk.Path, "*", SearchOption.AllDirectories).Should().OnlyContain(path => !Path.GetFileName(path).Contains(".tmp"), "nothing half is left");
    }

    [Theory]
    [InlineData("truncated")]
    [InlineData("flipped")]
    [InlineData("missing")]
    public async Task A_damaged_backup_is_not_restored_into_a_cluster_that_would_start(string damage)
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var path = Path.Combine(store.Root, backup.Parts[^1].Key);
        var bytes = await File.ReadAllBytesAsync(path, Token);
        bytes[bytes.Length / 2] ^= 1;
        File.Delete(path);
        if (damage != "missing")
            await File.WriteAllBytesAsync(path, damage == "truncated" ? bytes[..^10] : bytes, Token);
        var options = scene.RestoreOptions();
        options.BackupId = backup.Id;
        var folder = scene.Fresh("restored");

        var failure = await FailureAsync<WalBackupException>(() => new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token));

        failure.Code.Should().Be("wal.backup.damaged");
        failure.Message.Should().Contain(backup.Parts[^1].Key);
        File.Exists(Path.Combine(folder, "global", "pg_control")).Should().BeFalse();
        (await new BackupCatalog(store).ListAsync(Token))[0].Problem.Should().Match(p => (p == null) == (damage == "flipped"));
    }

    [Fact]
    public async Task A_damaged_backup_is_passed_over_for_an_older_one()
    {
        var store = await scene.NewStoreAsync();
        var first = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.NextSecondAsync(first);
        var second = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        File.Delete(Path.Combine(store.Root, second.Parts[0].Key));

        var chosen = await new BackupCatalog(store).GetAsync(cancellationToken: Token);

        chosen.Id.Should().Be(first.Id);
    }

    [Fact]
    public async Task A_folder_that_holds_anything_is_no_target()
    {
        var (store, _) = await scene.MadeAsync();
        var folder = Directory.CreateDirectory(scene.Fresh("used")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "precious"), "x", Token);

        var failure = await FailureAsync<WalBackupException>(() => new BackupRestore(store, scene.RestoreOptions()).RunAsync(folder, cancellationToken: Token));

        failure.Code.Should().Be("wal.backup.target");
        Directory.GetFileSystemEntries(folder).Should().Equal(Path.Combine(folder, "precious"));
    }

    [Fact]
    public async Task A_tablespace_whose_folder_is_in_use_has_to_be_mapped()
    {
        var (store, _) = await scene.MadeAsync();
        var options = scene.RestoreOptions();
        options.TablespaceMap = new Dictionary<string, string>();

        var failure = await FailureAsync<WalBackupException>(() => new BackupRestore(store, options).RunAsync(scene.Fresh("restored"), cancellationToken: Token));

        failure.Message.Should().Contain(scene.Tablespace).And.Contain("not empty").And.Contain("--map");
    }

    [Fact]
    public async Task A_tablespace_is_not_restored_into_the_data_directory()
    {
        var (store, _) = await scene.MadeAsync();
        var options = scene.RestoreOptions();
        var folder = scene.Fresh("restored");
        options.TablespaceMap = new Dictionary<string, string> { [scene.Tablespace] = Path.Combine(folder, "inside") };

        var failure = await FailureAsync<WalBackupException>(() => new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token));

        failure.Message.Should().Contain("inside of the data directory");
        Directory.Exists(folder).Should().BeFalse();
    }

    [Fact]
    public async Task A_target_before_the_end_of_every_backup_is_refused_with_the_reason()
    {
        var (store, backup) = await scene.MadeAsync();
        var options = scene.RestoreOptions();
        options.Target = RecoveryTarget.Time(backup.Stopped.AddMilliseconds(-1));

        var failure = await FailureAsync<WalBackupException>(() => new BackupRestore(store, options).RunAsync(scene.Fresh("restored"), cancellationToken: Token));

        failure.Code.Should().Be("wal.backup.unreachable");
        failure.Message.Should().Contain(backup.Id).And.Contain("is consistent from");
    }

    [Fact]
    public async Task A_role_needs_two_functions_and_the_path_and_the_error_says_so()
    {
        await scene.Server.ExecuteAsync("CREATE ROLE backup_role LOGIN", Token);
        var store = await scene.NewStoreAsync();
        await using var source = NpgsqlDataSource.Create(scene.Server.GetConnectionString(user: "backup_role"));
        Task<BaseBackupResult> Run(string? directory) =>
            new BaseBackup(source, store, scene.ArchiveStore, new BaseBackupOptions { DataDirectory = directory }).RunAsync(cancellationToken: Token);

        var path = await FailureAsync<WalBackupException>(() => Run(null));
        var function = await FailureAsync<WalBackupException>(() => Run(scene.Server.DataDirectory));
        await scene.Server.ExecuteAsync(function.Hint!.Replace("the role.", "backup_role", StringComparison.Ordinal), Token);
        var granted = await Run(scene.Server.DataDirectory);
        await scene.Server.ExecuteAsync("GRANT pg_read_all_settings TO backup_role", Token);
        await scene.NextSecondAsync(granted.Backup);
        await Run(null);

        (path.Code, function.Code).Should().Be(("wal.backup.privilege", "wal.backup.privilege"));
        path.Hint.Should().Contain("pg_read_all_settings");
        function.SqlState.Should().Be("42501");
    }

    private static async Task<T> FailureAsync<T>(Func<Task> work)
        where T : Exception => (await work.Should().ThrowAsync<T>()).Which;

    private sealed class Once(Action act) : IProgress<BackupProgress>
    {
        private bool _done;

        public void Report(BackupProgress value)
        {
            if (_done || value.Part != "base.tar")
                return;
            _done = true;
            act();
        }
    }
}
