using Npgsql;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Backups by <c>pg_basebackup</c> of a server without tablespaces, through a pipe.</summary>
public sealed class PgBaseBackupTests(PgBaseBackupTests.PlainScene plain) : IClassFixture<PgBaseBackupTests.PlainScene>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private BackupScene Scene => plain.Scene;

    [Fact]
    public async Task A_backup_with_its_WAL_comes_through_a_pipe_and_is_restored_by_itself()
    {
        var store = await Scene.NewStoreAsync();

        var made = await Scene.BackupTo(store, withArchive: false, options: Options(o => o.Label = "from afar")).RunAsync(cancellationToken: Token);
        var verified = await new BackupCatalog(store).VerifyAsync(made.Backup.Id, cancellationToken: Token);
        var folder = Scene.Fresh("restored");
        await new BackupRestore(store).RunAsync(folder, cancellationToken: Token);
        var checkedFiles = await Scene.RunAsync("pg_verifybackup", "-n", folder);
        await using var server = await Scene.StartAsync(folder);

        made.Backup.Should().BeEquivalentTo(new { Label = "from afar", IncludesWal = true, FromStandby = false, Timeline = 1u, PgVersion = Scene.Server.MajorVersion, WalSegmentSize = 1 << 20, DamagedPages = (int?)null });
        made.Backup.StartLsn.Should().BeLessThan(made.Backup.StopLsn);
        made.Backup.Started.Should().BeBefore(made.Backup.Stopped);
        made.Files.Should().BeGreaterThan(500);
        verified.Problems.Should().BeEmpty();
        checkedFiles.ExitCode.Should().Be(0, checkedFiles.Error);
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
    }

    [Fact]
    public async Task A_backup_beside_an_archive_is_drilled_and_removed_like_any_other()
    {
        var store = await Scene.NewStoreAsync();
        var made = (await Scene.BackupTo(store, options: Options(o => o.Codec = "lz4")).RunAsync(cancellationToken: Token)).Backup;
        var archive = await Scene.PlainArchiveAsync();
        var scratch = Directory.CreateDirectory(Scene.Fresh("s")).FullName;
        ServerAccount.Own(scratch);

        var drill = await new RestoreDrill(store, archive, new RestoreDrillOptions { RestoreCommand = $"cp '{archive.Root}/%f' '%p'", ScratchDirectory = scratch, BinDirectory = Scene.Server.BinDirectory }).RunAsync(cancellationToken: Token);
        await Scene.NextSecondAsync(made);
        var next = (await Scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        var removed = await new BackupCatalog(store).CleanupAsync(new BackupRetention { Count = 1 }, cancellationToken: Token);

        made.IncludesWal.Should().BeFalse();
        (drill.Verdict, drill.Reason, drill.LostRows).Should().Be((RestoreDrillVerdict.Clean, null, 0), string.Join('\n', drill.Findings));
        removed.Removed.Select(b => b.Id).Should().Equal(made.Id);
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => b.Id).Should().Equal(next.Id);
    }

    [Fact]
    public async Task A_role_without_the_right_to_replicate_is_told_the_statement_that_gives_it()
    {
        await Scene.Server.ExecuteAsync("CREATE ROLE \"plain One\" LOGIN", Token);
        var store = await Scene.NewStoreAsync();
        await using var server = NpgsqlDataSource.Create(Scene.Server.GetConnectionString(user: "plain One"));
        var backup = new BaseBackup(server, store, null, Options());

        var failure = (await backup.Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;
        await Scene.Server.ExecuteAsync(failure.Hint!, Token);
        var made = await backup.RunAsync(cancellationToken: Token);

        failure.Code.Should().Be("wal.backup.privilege");
        failure.Hint.Should().Be("ALTER ROLE \"plain One\" REPLICATION;");
        made.Backup.Problem.Should().BeNull();
    }

    [Fact]
    public async Task A_walsender_that_is_ended_leaves_no_backup_and_no_object()
    {
        var store = await Scene.NewStoreAsync();
        var slow = Options(o => o.MaxRate = 4 << 20);

        var failure = (await Scene.BackupTo(store, options: slow).Awaiting(b => b.RunAsync(new AtFirst(End), Token)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Code.Should().Be("wal.backup.server");
        failure.Message.Should().StartWith("pg_basebackup ended with exit code '1': ");
        RestOf(store).Should().Equal(WalArchiveMarker.Key);

        void End() => Scene.Server.ScalarAsync<long>("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_replication", CancellationToken.None).GetAwaiter().GetResult().Should().Be(1);
    }

    [Fact]
    public async Task A_cancelled_backup_leaves_no_object_and_no_walsender()
    {
        var store = await Scene.NewStoreAsync();
        using var cancelling = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var slow = Options(o => o.MaxRate = 4 << 20);

        await Scene.BackupTo(store, options: slow).Awaiting(b => b.RunAsync(new AtFirst(cancelling.Cancel), cancelling.Token)).Should().ThrowAsync<OperationCanceledException>();

        RestOf(store).Should().Equal(WalArchiveMarker.Key);
        await Eventually.TrueAsync(() => Scene.Server.ScalarAsync<bool>("SELECT count(*) = 0 FROM pg_stat_replication", Token), "the walsender ends", TimeSpan.FromSeconds(60), Token);
    }

    [Fact]
    public async Task A_server_that_is_killed_in_the_middle_leaves_no_backup()
    {
        await using var other = new BackupScene { HasTablespace = false };
        await other.InitializeAsync();
        var store = await other.NewStoreAsync();
        var slow = Options(o => o.MaxRate = 4 << 20);

        var failure = (await other.BackupTo(store, options: slow).Awaiting(b => b.RunAsync(new AtFirst(other.Server.KillHard), Token)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Code.Should().BeOneOf("wal.backup.server", "wal.backup.session-lost");
        RestOf(store).Should().Equal(WalArchiveMarker.Key);
    }

    [Fact]
    public async Task A_killed_program_leaves_nothing_that_is_listed_and_its_walsender_ends()
    {
        var store = await Scene.NewStoreAsync();
        using var program = WalProgram.Start(
            null, ["backup", "--method", "pg_basebackup", "--pg-bin", Scene.Server.BinDirectory, "--connection", Scene.Server.ConnectionString, "--dst-local", $"none={store.Root}", "--max-rate", "1MB", "--archive", Scene.Archive]);

        await Eventually.TrueAsync(() => Directory.EnumerateFiles(store.Root, "*.tmp", SearchOption.AllDirectories).Any(), "data is written", TimeSpan.FromSeconds(60), Token);
        ServerAccount.Signal(program.Id, 9);
        await program.WaitForExitAsync(Token);

        program.ExitCode.Should().Be(137);
        (await new BackupCatalog(store).ListAsync(Token)).Should().BeEmpty();
        await Eventually.TrueAsync(() => Scene.Server.ScalarAsync<bool>("SELECT count(*) = 0 FROM pg_stat_replication", Token), "the walsender ends", TimeSpan.FromSeconds(60), Token);
        (await Scene.BackupTo(store, options: Options()).RunAsync(cancellationToken: Token)).Backup.Problem.Should().BeNull();
    }

    [Fact]
    public async Task A_password_comes_from_the_connection_string_and_one_that_is_missing_is_asked_for()
    {
        await using var server = await PgCluster.StartAsync(new PgClusterOptions { Password = "s3 cret'", InitDbArguments = ["--wal-segsize=1"] }, Token);
        var store = new DirectoryObjectStore(Directory.CreateDirectory(Scene.Fresh("backups")).FullName);
        var control = await PgControlFile.ReadAsync(server.DataDirectory, cancellationToken: Token);
        await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, Token);

        var made = await WalProgram.RunAsync("backup", "--method", "pg_basebackup", "--pg-bin", server.BinDirectory, "--connection", server.ConnectionString, "--dst-local", store.Root);
        var failure = (await new BaseBackup(server.DataSource, store, null, new BaseBackupOptions { Method = BackupMethod.PgBaseBackup, BinDirectory = server.BinDirectory })
            .Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

        made.ExitCode.Should().Be(0, made.Error);
        failure.Hint.Should().Be("Put the password into PGPASSWORD or a password file (.pgpass), where pg_basebackup finds it too.");
        failure.Message.Should().NotContain("cret");
    }

    [Fact]
    public void Options_that_it_cannot_follow_are_refused_all_at_once()
    {
        var options = new BaseBackupOptions { Method = BackupMethod.PgBaseBackup, DataDirectory = "/data", Exclude = ["core.*"], IncrementOf = BaseBackupOptions.Latest };

        var refused = FluentActions.Invoking(() => new BaseBackup(Scene.Server.DataSource, Scene.ArchiveStore, null, options)).Should().Throw<Microsoft.Extensions.Options.OptionsValidationException>().Which;
        var files = FluentActions.Invoking(() => new BaseBackup(Scene.Server.DataSource, Scene.ArchiveStore, null, new BaseBackupOptions { StagingDirectory = "/tmp" })).Should().Throw<Microsoft.Extensions.Options.OptionsValidationException>().Which;

        refused.Failures.Should().Equal(
            "DataDirectory is for the method Files: the server itself reads its files.", "Exclude is for the method Files: the server itself says what belongs into a backup.", "IncrementOf is for the method Files.");
        files.Failures.Should().Equal("BinDirectory, StagingDirectory and Password are for the method PgBaseBackup.");
    }

    [Fact]
    public async Task A_folder_without_the_program_is_named_and_so_is_a_primary_where_a_standby_was_wanted()
    {
        var store = await Scene.NewStoreAsync();
        var empty = Directory.CreateDirectory(Scene.Fresh("bin")).FullName;

        var noProgram = (await Scene.BackupTo(store, options: Options(o => o.BinDirectory = empty)).Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;
        var noStandby = await WalProgram.RunAsync("backup", "--from-standby", "--connection", Scene.Server.ConnectionString, "--dst-local", store.Root, "--archive", Scene.Archive);

        noProgram.Code.Should().Be("wal.backup.program");
        noProgram.Hint.Should().Contain($"'{Path.Combine(empty, "pg_basebackup")}' (no such file)");
        noStandby.ExitCode.Should().Be(10);
        noStandby.Error.Should().Contain("The backup was to be read from a standby, and the server is a primary.");
    }

    private BaseBackupOptions Options(Action<BaseBackupOptions>? set = null)
    {
        var options = new BaseBackupOptions { Method = BackupMethod.PgBaseBackup, BinDirectory = Scene.Server.BinDirectory };
        set?.Invoke(options);
        return options;
    }

    private static IEnumerable<string> RestOf(DirectoryObjectStore store) =>
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(store.Root, f));

    /// <summary>Acts at the first bytes of the data directory.</summary>
    private sealed class AtFirst(Action act) : IProgress<BackupProgress>
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

    /// <summary>A server like that of <see cref="BackupScene"/>, without a tablespace.</summary>
    public sealed class PlainScene : IAsyncLifetime
    {
        public BackupScene Scene { get; } = new() { HasTablespace = false };

        public ValueTask InitializeAsync() => Scene.InitializeAsync();

        public ValueTask DisposeAsync() => Scene.DisposeAsync();
    }
}
