using System.Net.Sockets;
using OmniPg.Shared;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>What lies in wait for backups: files that change or are none, hostile catalogue entries, settings that the old server left behind.</summary>
[Collection(nameof(BackupCollection))]
public sealed class BackupHazardTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Data => scene.Server.DataDirectory;

    [Fact]
    public async Task A_file_that_vanishes_before_its_turn_is_counted_and_hinders_no_backup()
    {
        var store = await scene.NewStoreAsync();
        var passing = Path.Combine(Data, "zz_passing");
        await File.WriteAllTextAsync(passing, "x", Token);

        var made = await scene.BackupTo(store).RunAsync(new During(() => File.Delete(passing)), Token);

        made.Vanished.Should().Be(1);
    }

    [Theory]
    [InlineData(1_000_000, 1)]
    [InlineData(9_000_000, 0)]
    public async Task A_file_that_shrinks_or_grows_while_it_is_read_has_the_size_that_was_announced(int length, long shortened)
    {
        const int Announced = 4_000_000;
        using var folder = new TemporaryDirectory();
        var path = folder.Combine("changing");
        await File.WriteAllBytesAsync(path, Enumerable.Repeat((byte)7, Announced).ToArray(), Token);
        await using var source = new TarSource(One(new TarMember("changing", TarKind.File) { FullPath = path, ManifestPath = "changing" }), new BackupManifest(), (0, 0), TimeProvider.System);
        var tar = new byte[2 * Announced];

        var read = await source.ReadAsync(tar.AsMemory(0, 100_000), Token);
        using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            file.SetLength(length);
        for (int more; (more = await source.ReadAsync(tar.AsMemory(read), Token)) > 0;)
            read += more;

        var content = tar.AsSpan(512, Announced).ToArray();
        source.Shortened.Should().Be(shortened);
        content.Where((b, n) => b != (n < length ? 7 : 0)).Should().BeEmpty();
        read.Should().Be(512 + Announced + ((512 - (Announced % 512)) % 512) + 1024, "header, content, padding, end");

        static async IAsyncEnumerable<TarMember> One(TarMember member)
        {
            await Task.CompletedTask;
            yield return member;
        }
    }

    [Fact]
    public void Patterns_leave_out_what_is_not_the_servers_and_nothing_else()
    {
        using var folder = new TemporaryDirectory();
        foreach (var path in (string[])["base/1/2", "global/pg_filenode.map", "pg_xact/0000", "PG_VERSION", "postgresql.conf", "core.77", "old/a/b", "older", "kept"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder.Combine(path))!);
            File.WriteAllText(folder.Combine(path), "x");
        }

        string[] Left(params string[] patterns) => [.. new ClusterFiles(folder.Path, null, patterns).OfDataDirectory().Where(m => m.Kind == TarKind.File).Select(m => m.Path)];

        Left("core.*", "old/*").Should().Equal("PG_VERSION", "base/1/2", "global/pg_filenode.map", "kept", "older", "pg_xact/0000", "postgresql.conf");
        Left("*").Should().Equal("PG_VERSION", "base/1/2", "global/pg_filenode.map", "pg_xact/0000", "postgresql.conf");
        var refused = FluentActions.Invoking(() => new BaseBackup(scene.Server.DataSource, scene.ArchiveStore, null, new BaseBackupOptions { Exclude = ["pg_xact/*", "/tmp", ""] })).Should().Throw<Microsoft.Extensions.Options.OptionsValidationException>().Which;
        refused.Failures.Should().HaveCount(3);
    }

    [Fact]
    public async Task A_socket_and_a_pipe_in_the_data_directory_are_passed_over()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "No such files there.");
        var store = await scene.NewStoreAsync();
        var (path, pipe) = (Path.Combine(Data, ".s.other"), Path.Combine(Data, "zz_pipe"));
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        (await ServerProgram.RunAsync("/usr/bin/mkfifo", [pipe], null, Token)).ExitCode.Should().Be(0);
        try
        {
            var made = await scene.BackupTo(store).RunAsync(cancellationToken: Token).WaitAsync(TimeSpan.FromMinutes(1), Token);

            made.Backup.Problem.Should().BeNull();
        }
        finally
        {
            // A reader that waits for the other end of the pipe.
            if (File.Exists(pipe))
                await using (new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
                    File.Delete(pipe);
            File.Delete(path);
        }
    }

    [Fact]
    public async Task A_file_whose_name_is_not_UTF8_is_refused_and_not_taken_for_vanished()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Other systems refuse such names.");
        var store = await scene.NewStoreAsync();
        async Task ShellAsync(string command) => (await ServerProgram.RunAsync("/bin/sh", ["-c", command, "sh", Data], null, Token)).ExitCode.Should().Be(0);
        await ShellAsync("""touch "$1/$(printf 'zz_\377')" """);
        try
        {
            (await FailureAsync<WalInputException>(() => scene.BackupTo(store).RunAsync(cancellationToken: Token))).Message.Should().Contain("not UTF-8");
        }
        finally
        {
            await ShellAsync("""rm "$1"/zz_*""");
        }
    }

    [Fact]
    public async Task A_restore_brings_no_file_that_runs_as_its_owner()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "No such modes there.");
        var folder = Directory.CreateDirectory(scene.Fresh("hostile")).FullName;
        var header = new TarHeader("tool", TarKind.File, 0, (UnixFileMode)0x9ED, DateTimeOffset.UnixEpoch) { Owner = FileStat.OwnerOf(folder) };

        await new TarExtractor(folder).WriteAsync(TarFormat.Write(header), Token);

        new FileInfo(Path.Combine(folder, "tool")).UnixFileMode.Should().Be((UnixFileMode)0x1ED);
    }

    [Fact]
    public async Task A_tablespace_whose_storage_is_not_mounted_ends_the_backup()
    {
        var store = await scene.NewStoreAsync();
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        var folder = Directory.GetDirectories(scene.Tablespace, "PG_*").Single();
        var away = scene.Fresh("away");
        Directory.Move(folder, away);
        try
        {
            var failure = await FailureAsync<WalBackupException>(() => scene.BackupTo(store).RunAsync(cancellationToken: Token));

            failure.Code.Should().Be("wal.backup.tablespace");
            failure.Message.Should().Contain(scene.Tablespace);
        }
        finally
        {
            Directory.Move(away, folder);
        }
    }

    [Fact]
    public async Task A_relation_on_other_storage_behind_a_link_is_part_of_the_backup()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a privilege there.");
        var store = await scene.NewStoreAsync();
        await scene.Server.ExecuteAsync("CREATE TABLE moved AS SELECT 42 AS n", Token);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        var file = Path.Combine(Data, (await scene.Server.ScalarAsync<string>("SELECT pg_relation_filepath('moved')", Token))!);
        var elsewhere = scene.Fresh("elsewhere");
        File.Move(file, elsewhere);
        File.CreateSymbolicLink(file, elsewhere);
        try
        {
            await scene.BackupTo(store).RunAsync(cancellationToken: Token);
        }
        finally
        {
            File.Move(elsewhere, file, overwrite: true);
            await scene.Server.ExecuteAsync("DROP TABLE moved", Token);
        }

        var folder = scene.Fresh("restored");
        await new BackupRestore(store, scene.RestoreOptions()).RunAsync(folder, cancellationToken: Token);
        File.Exists(Path.Combine(folder, Path.GetRelativePath(Data, file))).Should().BeTrue();
    }

    [Fact]
    public async Task WAL_that_the_server_takes_away_while_it_is_read_makes_no_backup()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Looks at /proc.");
        var store = await scene.NewStoreAsync();
        var wal = Path.Combine(Data, "pg_wal") + "/";
        string? taken = null;
        void Take()
        {
            taken = Directory.GetFiles("/proc/self/fd").Select(f => new FileInfo(f).LinkTarget).FirstOrDefault(l => l is not null && l.StartsWith(wal, StringComparison.Ordinal));
            if (taken is not null)
                File.Move(taken, taken + ".away");
        }

        try
        {
            var failure = await FailureAsync<WalBackupException>(
                () => scene.BackupTo(store, withArchive: false).RunAsync(new During(() =>
                {
                    if (taken is null)
                        Take();
                }), Token));

            failure.Code.Should().Be("wal.backup.wal-missing");
        }
        finally
        {
            if (taken is not null)
                File.Move(taken + ".away", taken);
        }

        (await new BackupCatalog(store).ListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task An_entry_that_cannot_be_read_hinders_no_restore_of_another_backup()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var later = BackupInfo.IdAt(backup.Started.AddDays(1));
        await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(store.Root, later)).FullName, "backup.json"), "", Token);

        var newest = await new BackupRestore(store, scene.RestoreOptions()).RunAsync(scene.Fresh("restored"), cancellationToken: Token);
        var options = scene.RestoreOptions();
        options.BackupId = backup.Id;
        var named = await new BackupRestore(store, options).RunAsync(scene.Fresh("restored"), cancellationToken: Token);
        var cleanup = await FailureAsync<WalBackupException>(() => new BackupCatalog(store).CleanupAsync(new BackupRetention { Count = 1 }, null, Token));

        (newest.Id, named.Id).Should().Be((backup.Id, backup.Id));
        cleanup.BackupId.Should().Be(later);
    }

    [Fact]
    public async Task An_entry_that_claims_the_objects_of_another_backup_is_damaged()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var later = BackupInfo.IdAt(backup.Started.AddDays(1));
        var claim = backup with { Id = later };
        await File.WriteAllBytesAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(store.Root, later)).FullName, "backup.json"), claim.ToJson(), Token);

        var failure = await FailureAsync<WalBackupException>(() => new BackupCatalog(store).DeleteAsync(later, Token));

        failure.Code.Should().Be("wal.backup.damaged");
        backup.Parts.Should().OnlyContain(p => File.Exists(Path.Combine(store.Root, p.Key)));
    }

    [Fact]
    public async Task Parts_that_a_mark_keeps_are_not_swept_when_their_entry_is_lost()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        await new BackupCatalog(store).KeepAsync(backup.Id, Token);
        File.Delete(Path.Combine(store.Root, backup.Id, "backup.json"));

        await new BackupSweep(store, new ShiftedClock { Offset = TimeSpan.FromDays(100) }).RunAsync(Token);

        backup.Parts.Should().OnlyContain(p => File.Exists(Path.Combine(store.Root, p.Key)));
    }

    [Fact]
    public async Task Encrypted_backups_are_neither_swept_nor_overlooked_without_their_key()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        foreach (var path in Directory.GetFiles(Path.Combine(store.Root, backup.Id)))
            File.Move(path, path + ".enc");

        await new BackupSweep(store, new ShiftedClock { Offset = TimeSpan.FromDays(100) }).RunAsync(Token);
        var failure = await FailureAsync<WalEncryptionException>(() => new BackupCatalog(store).ListAsync(Token));

        backup.Parts.Should().OnlyContain(p => File.Exists(Path.Combine(store.Root, p.Key + ".enc")));
        (failure.Code, failure.File).Should().Be(("wal.encryption.no-key", $"{backup.Id}/backup.json.enc"));
    }

    [Fact]
    public async Task An_unmarked_archive_of_another_cluster_loses_no_WAL()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var foreign = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("foreign")).FullName);
        await using var other = await PgCluster.StartAsync(new PgClusterOptions { Installation = scene.Installation, InitDbArguments = ["--wal-segsize=1"] }, Token);
        await other.ExecuteAsync("SELECT pg_switch_wal()", Token);
        var source = Directory.GetFiles(Path.Combine(other.DataDirectory, "pg_wal"), "0*").Order(StringComparer.Ordinal).First();
        string[] names = ["000000010000000000000000", backup.WalFrom.ToString()];
        foreach (var name in names)
            File.Copy(source, Path.Combine(foreign.Root, name));

        await FailureAsync<WalArchiveMismatchException>(() => new BackupCatalog(store).CleanupAsync(new BackupRetention { Count = 1 }, foreign, Token));

        names.Should().OnlyContain(n => File.Exists(Path.Combine(foreign.Root, n)));
    }

    [Fact]
    public async Task Two_tablespaces_do_not_share_a_folder()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var twin = backup.Tablespaces[0] with { Oid = 99999, Location = "/elsewhere" };
        var info = backup with { Tablespaces = [.. backup.Tablespaces, twin], Parts = [backup.Parts[0] with { Tablespace = twin.Oid }, .. backup.Parts] };
        await File.WriteAllBytesAsync(Path.Combine(store.Root, backup.Id, "backup.json"), info.ToJson(), Token);
        var shared = scene.Fresh("space");
        var options = scene.RestoreOptions();
        options.TablespaceMap = new Dictionary<string, string> { [scene.Tablespace] = shared, [twin.Location] = $"{Path.GetDirectoryName(shared)}/./{Path.GetFileName(shared)}" };

        var failure = await FailureAsync<WalBackupException>(() => new BackupRestore(store, options).RunAsync(scene.Fresh("restored"), cancellationToken: Token));

        failure.Code.Should().Be("wal.backup.target");
        Directory.Exists(shared).Should().BeFalse();
    }

    [Fact]
    public async Task A_link_that_is_relative_names_its_folder_from_where_it_lies()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a privilege there.");
        var folder = scene.Fresh("data");
        var space = Directory.CreateDirectory(scene.Fresh("space")).FullName;
        Directory.CreateDirectory(Path.Combine(folder, "pg_tblspc"));
        Directory.CreateSymbolicLink(Path.Combine(folder, "pg_tblspc", "16400"), $"../../{Path.GetFileName(space)}");

        new ClusterFiles(folder).Tablespaces().Should().Equal(new BackupTablespace(16400, space));
        await Task.CompletedTask;
    }

    [Theory]
    [InlineData("stats", "stats")]
    [InlineData("./stats/", "stats")]
    [InlineData("DATA/base/stats", "base/stats")]
    [InlineData("/elsewhere/stats", null)]
    public void The_folder_that_stats_temp_directory_names_is_there_and_empty(string setting, string? emptied)
    {
        var data = Directory.CreateDirectory(scene.Fresh("data")).FullName;
        foreach (var folder in (string[])["stats", "base/stats"])
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(data, folder)).FullName, "global.stat"), "");

        var members = new ClusterFiles(data, setting.Replace("DATA", data, StringComparison.Ordinal)).OfDataDirectory().Select(m => m.Path).ToArray();

        members.Should().Contain(["stats", "base/stats"]);
        new[] { "stats", "base/stats" }.Where(f => !members.Contains(f + "/global.stat")).Should().BeEquivalentTo(emptied is null ? [] : new[] { emptied });
    }

    [Fact]
    public async Task A_folder_that_was_open_to_all_is_closed_before_the_first_file_comes()
    {
        if (OperatingSystem.IsWindows())
            return;
        var (store, _) = await scene.MadeAsync();
        var folder = Directory.CreateDirectory(scene.Fresh("restored")).FullName;
        File.SetUnixFileMode(folder, (UnixFileMode)0x1ED);
        UnixFileMode? seen = null;

        await new BackupRestore(store, scene.RestoreOptions()).RunAsync(folder, new During(() => seen = new DirectoryInfo(folder).UnixFileMode), Token);

        seen.Should().Be((UnixFileMode)0x1C0);
    }

    [Fact]
    public async Task Recovery_settings_in_the_configuration_of_the_old_server_have_no_effect()
    {
        var (store, backup) = await scene.MadeAsync();
        var folder = scene.Fresh("restored");
        await new BackupRestore(store, scene.RestoreOptions()).RunAsync(folder, cancellationToken: Token);
        await File.AppendAllTextAsync(
            Path.Combine(folder, "postgresql.conf"),
            "\nrecovery_target_time = '2099-01-01 00:00:00+00'\narchive_cleanup_command = 'rm -rf /nowhere/%r'\nrecovery_end_command = 'rm -rf /nowhere'\n", Token);

        await using var server = await scene.StartAsync(folder);

        (await server.ScalarAsync<string>("SELECT current_setting('recovery_target_time') || current_setting('archive_cleanup_command') || current_setting('recovery_end_command')", Token))
            .Should().BeEmpty();
        backup.Problem.Should().BeNull();
    }

    [Fact]
    public async Task A_harmless_copy_opens_at_its_target()
    {
        var (store, backup) = await scene.MadeAsync();
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var options = scene.RestoreOptions();
        (options.Target, options.TargetAction, options.Harmless) = (RecoveryTarget.Immediate, "pause", true);
        options.BackupId = backup.Id;
        var folder = scene.Fresh("restored");
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);

        await using var server = await scene.StartAsync(folder);

        (await server.ScalarAsync<long>("SELECT count(*) FROM kept", Token)).Should().Be(1000);
    }

    [Fact]
    public async Task A_backup_of_a_later_timeline_than_the_targets_is_refused()
    {
        var (_, backup) = await scene.MadeAsync();

        (RecoveryTarget.Latest with { Timeline = 1 }).RefusalFor(backup with { Timeline = 2 }).Should().Contain("timeline");
        (RecoveryTarget.Latest with { Timeline = 2 }).RefusalFor(backup with { Timeline = 1 }).Should().BeNull();
    }

    private static async Task<T> FailureAsync<T>(Func<Task> work)
        where T : Exception => (await work.Should().ThrowAsync<T>()).Which;

    private sealed class During(Action act) : IProgress<BackupProgress>
    {
        public void Report(BackupProgress value)
        {
            if (value.Part == "base.tar")
                act();
        }
    }
}
