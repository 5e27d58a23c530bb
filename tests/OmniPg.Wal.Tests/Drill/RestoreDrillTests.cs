using System.Text.Json;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Drill;

/// <summary>Drills of real backups: what is right is told as right, and each kind of wrong by its own verdict.</summary>
[Collection(nameof(BackupCollection))]
public sealed class RestoreDrillTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_healthy_repository_is_clean_and_its_report_tells_moment_phases_and_rows()
    {
        var (store, backup) = await BackupNowAsync();
        await scene.Server.ExecuteAsync("CREATE TABLE drilled AS SELECT generate_series(1, 50) i", Token);
        var committed = await scene.Server.ScalarAsync<DateTime>("SELECT clock_timestamp()", Token);
        await SwitchAsync();
        var archive = await scene.PlainArchiveAsync();
        var scratch = Scratch();
        var sql = await FileAsync("SELECT 'rows' AS what WHERE (SELECT count(*) FROM drilled) <> 50; SELECT relname FROM pg_class WHERE relname = 'lost in recovery';");

        var result = await new RestoreDrill(store, archive, Options(archive, scratch, sql)).RunAsync(cancellationToken: Token);

        (result.Verdict, result.Reason, result.KeptIn).Should().Be((RestoreDrillVerdict.Clean, null, null), string.Join('\n', result.Findings));
        (result.Backup!.Id, result.Timeline, result.Lost, result.LostRows).Should().Be((backup.Id, 1u, TimeSpan.Zero, 0));
        result.ReachedTime.Should().BeAfter(backup.Stopped).And.BeCloseTo(committed, TimeSpan.FromMinutes(1));
        (result.ReachedLsn > backup.StopLsn).Should().BeTrue();
        result.Rows.Should().BeGreaterThanOrEqualTo(2050);
        result.Amchecked.Should().BeGreaterThan(100);
        new[] { result.Restore, result.Replay, result.Checks }.Should().OnlyContain(t => t > TimeSpan.Zero);
        Directory.GetFileSystemEntries(scratch).Should().BeEmpty();
        await scene.Server.ExecuteAsync("DROP TABLE drilled", Token);
    }

    [Fact]
    public async Task A_missing_segment_is_named_with_what_lies_behind_it_and_ends_with_2()
    {
        var (store, _) = await BackupNowAsync();
        await scene.Server.ExecuteAsync("CREATE TABLE beyond (i int)", Token);
        var missing = await CurrentSegmentAsync();
        await scene.Server.ExecuteAsync("INSERT INTO beyond SELECT generate_series(1, 10)", Token);
        await SwitchAsync();
        await scene.Server.ExecuteAsync("INSERT INTO beyond SELECT generate_series(1, 20)", Token);
        await scene.Server.ExecuteAsync("COPY beyond FROM PROGRAM 'seq 1 30'", Token);
        await SwitchAsync();
        var archive = await scene.PlainArchiveAsync(without: missing);

        var result = await new RestoreDrill(store, archive, Options(archive, Scratch())).RunAsync(cancellationToken: Token);
        var program = await RunAsync(store, archive.Root, "--format", "nagios");

        result.Verdict.Should().Be(RestoreDrillVerdict.NotReached);
        result.Reason.Should().Contain($"'{missing}' is missing").And.Contain("later ones");
        (result.LostRows, result.Lost > TimeSpan.Zero).Should().Be((50, true));
        result.LostTransactions.Should().BeGreaterThanOrEqualTo(2);
        program.ExitCode.Should().Be(2, program.Error);
        program.Output.Should().StartWith($"OMNIPG_WAL CRITICAL - WAL file '{missing}' is missing").And.Contain(" lost_rows=50 ").And.Contain(" restore=");
        await scene.Server.ExecuteAsync("DROP TABLE beyond", Token);
    }

    [Fact]
    public async Task A_corrupt_index_page_is_a_finding_that_names_the_index_and_ends_with_1()
    {
        await scene.Server.ExecuteAsync("CREATE TABLE fragile AS SELECT generate_series(1, 5000) id", Token);
        await scene.Server.ExecuteAsync("CREATE INDEX fragile_index ON fragile (id)", Token);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        var path = Path.Combine(scene.Server.DataDirectory, (await scene.Server.ScalarAsync<string>("SELECT pg_relation_filepath('fragile_index')", Token))!);
        await using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.Position = (2 * 8192) + 4000;
            await file.WriteAsync(new byte[1000], Token);
        }

        var (store, _) = await BackupNowAsync();
        await SwitchAsync();
        var program = await RunAsync(store, scene.Archive, "--format", "json", "--check", "amcheck");
        await scene.Server.ExecuteAsync("DROP TABLE fragile", Token);

        program.ExitCode.Should().Be(1, program.Error);
        var report = JsonDocument.Parse(program.Output).RootElement;
        report.GetProperty("verdict").GetString().Should().Be("findings");
        var finding = report.GetProperty("findings").EnumerateArray().Should().ContainSingle().Subject;
        (finding.GetProperty("check").GetString(), finding.GetProperty("database").GetString(), finding.GetProperty("subject").GetString()).Should().Be(("amcheck", "postgres", "public.fragile_index"), program.Output);
        finding.GetProperty("text").GetString().Should().Contain("invalid page in block 2");
        report.GetProperty("seconds").GetProperty("replay").GetDouble().Should().BePositive();
    }

    [Fact]
    public async Task SQL_that_returns_a_row_and_SQL_that_fails_are_findings_and_change_nothing()
    {
        var (store, _) = await BackupNowAsync();
        var archive = await scene.PlainArchiveAsync();
        var (row, wrong, writing) = (await FileAsync("SELECT 42 AS answer, NULL AS nothing"), await FileAsync("SELECT FROM nowhere_at_all"), await FileAsync("DELETE FROM kept"));

        var result = await new RestoreDrill(store, archive, Options(archive, Scratch(), row, wrong, writing)).RunAsync(cancellationToken: Token);

        result.Verdict.Should().Be(RestoreDrillVerdict.Findings);
        result.Findings.Select(f => (f.Check, f.Subject, f.Text)).Should().Equal(
            ("sql", row, "it returned a row: answer = '42', nothing = NULL"),
            ("sql", wrong, "relation \"nowhere_at_all\" does not exist"),
            ("sql", writing, "cannot execute DELETE in a read-only transaction"));
    }

    [Fact]
    public async Task A_damaged_backup_is_not_reached_and_a_store_that_is_away_says_nothing_about_it()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        await using (var file = new FileStream(Path.Combine(store.Root, backup.Parts[^1].Key), FileMode.Open))
        {
            file.Position = file.Length / 2;
            var value = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(value ^ 1));
        }

        var damaged = await RunAsync(store, scene.Archive);
        var away = await RunAsync(new DirectoryObjectStore("/nowhere/at/all"), scene.Archive, "--format", "nagios");

        damaged.ExitCode.Should().Be(2, damaged.Error);
        damaged.Output.Should().StartWith("NOT REACHED: ").And.Contain(backup.Id);
        away.ExitCode.Should().Be(3);
        away.Output.Should().StartWith("OMNIPG_WAL UNKNOWN - ").And.Contain("/nowhere/at/all");
    }

    [Theory]
    [InlineData("a transaction behind the last one", "the last transaction in")]
    [InlineData("an unknown restore point", "no restore point 'never made'")]
    public async Task A_target_that_the_archive_does_not_hold_is_not_reached_and_nothing_is_restored_for_it(string kind, string reason)
    {
        var (store, _) = await scene.MadeAsync();
        // One that has ended, whichever test comes first.
        await scene.Server.ExecuteAsync("SELECT txid_current()", Token);
        await SwitchAsync();
        var archive = await scene.PlainArchiveAsync();
        var scratch = Scratch();
        var options = Options(archive, scratch);
        options.Target = kind == "an unknown restore point" ? RecoveryTarget.Name("never made") : RecoveryTarget.Time(DateTimeOffset.UtcNow.AddDays(1));

        var result = await new RestoreDrill(store, archive, options).RunAsync(cancellationToken: Token);

        (result.Verdict, result.Backup).Should().Be((RestoreDrillVerdict.NotReached, null));
        result.Reason.Should().Contain(reason);
        Directory.GetFileSystemEntries(scratch).Should().BeEmpty();
    }

    [Fact]
    public async Task A_restore_command_that_fails_is_told_with_its_own_words()
    {
        var (store, _) = await BackupNowAsync();
        var archive = await scene.PlainArchiveAsync();
        var options = Options(archive, Scratch());
        options.RestoreCommand = "echo 'nobody may read the archive' >&2; exit 255";

        var result = await new RestoreDrill(store, archive, options).RunAsync(cancellationToken: Token);

        result.Verdict.Should().Be(RestoreDrillVerdict.NotReached);
        result.Reason.Should().StartWith("FATAL:").And.Contain("could not restore file").And.EndWith(": nobody may read the archive");
    }

    [Fact]
    public async Task A_killed_drill_is_cleaned_up_by_the_next_one_with_its_server_and_nothing_else_is()
    {
        var (store, _) = await scene.MadeAsync();
        var archive = await scene.PlainArchiveAsync();
        var scratch = Scratch();
        var stranger = Directory.CreateDirectory(Path.Combine(scratch, "omnipg-drill-stranger")).FullName;
        var copied = Directory.CreateDirectory(Path.Combine(scratch, "omnipg-drill-copied")).FullName;
        await File.WriteAllTextAsync(Path.Combine(stranger, "precious"), "x", Token);
        await File.WriteAllTextAsync(Path.Combine(copied, "omnipg-drill.json"), """{"format":1,"directory":"/somewhere/else"}""", Token);
        // The program as root: it steps down for the server.
        using var program = WalProgram.Start(
            null, ["drill", "--source", store.Root, "--archive", archive.Root, "--restore-command", Options(archive, scratch).RestoreCommand!, "--scratch", scratch, "--pg-bin", scene.Server.BinDirectory]);
        var server = 0;
        await Eventually.TrueAsync(() => (server = ServerIn(scratch)) != 0 || program.HasExited, "the drill's server runs", TimeSpan.FromSeconds(60), Token);
        program.Kill();
        await program.WaitForExitAsync(Token);

        server.Should().NotBe(0);
        var result = await new RestoreDrill(store, archive, Options(archive, scratch)).RunAsync(cancellationToken: Token);

        result.Verdict.Should().Be(RestoreDrillVerdict.Clean, result.Reason);
        Directory.GetFileSystemEntries(scratch).Should().BeEquivalentTo([stranger, copied]);
        // It has removed its pid file by now, and may still be ending.
        await Eventually.TrueAsync(() => !Directory.Exists($"/proc/{server}/cwd/base"), "the server ends", TimeSpan.FromSeconds(30), Token);
    }

    [Fact]
    public async Task A_cancelled_drill_leaves_neither_server_nor_folder()
    {
        var (store, _) = await scene.MadeAsync();
        var archive = await scene.PlainArchiveAsync();
        var scratch = Scratch();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var drill = new RestoreDrill(store, archive, Options(archive, scratch)).RunAsync(cancellationToken: stop.Token);
        var server = 0;
        await Eventually.TrueAsync(() => (server = ServerIn(scratch)) != 0 || drill.IsCompleted, "the drill's server runs", TimeSpan.FromSeconds(60), Token);

        await stop.CancelAsync();

        await drill.Awaiting(d => d).Should().ThrowAsync<OperationCanceledException>();
        Directory.GetFileSystemEntries(scratch).Should().BeEmpty();
        Directory.Exists($"/proc/{server}").Should().BeFalse("it is waited for");
    }

    [Fact]
    public async Task A_damaged_newer_backup_that_is_passed_over_is_a_finding()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var archive = await scene.PlainArchiveAsync();
        const string newer = "29991231T000000Z";
        Directory.CreateDirectory(Path.Combine(store.Root, newer));
        var entry = await File.ReadAllTextAsync(Path.Combine(store.Root, backup.Id, "backup.json"), Token);
        await File.WriteAllTextAsync(Path.Combine(store.Root, newer, "backup.json"), entry.Replace(backup.Id, newer, StringComparison.Ordinal), Token);
        var options = Options(archive, Scratch());
        options.Checks = RestoreDrillChecks.None;

        var result = await new RestoreDrill(store, archive, options).RunAsync(cancellationToken: Token);

        (result.Verdict, result.Backup!.Id).Should().Be((RestoreDrillVerdict.Findings, backup.Id));
        var finding = result.Findings.Should().ContainSingle().Subject;
        (finding.Check, finding.Subject).Should().Be(("backup", newer));
        finding.Text.Should().EndWith("is missing");
    }

    [Fact]
    public async Task A_kept_copy_outlives_the_next_drill()
    {
        var (store, _) = await scene.MadeAsync();
        var archive = await scene.PlainArchiveAsync();
        var scratch = Scratch();
        var options = Options(archive, scratch);
        (options.Keep, options.Checks) = (true, RestoreDrillChecks.None);

        var kept = await new RestoreDrill(store, archive, options).RunAsync(cancellationToken: Token);
        options.Keep = false;
        await new RestoreDrill(store, archive, options).RunAsync(cancellationToken: Token);

        Directory.GetFileSystemEntries(scratch).Should().Equal(kept.KeptIn);
        File.Exists(Path.Combine(kept.KeptIn!, "data", "postmaster.pid")).Should().BeFalse();
    }

    [Fact]
    public async Task A_scratch_folder_whose_disk_is_full_says_nothing_about_the_backup()
    {
        using var small = TmpfsMount.TryCreate(1 << 20);
        Assert.SkipWhen(small is null, "This account may not mount a file system.");
        var (store, backup) = await BackupNowAsync();
        // Room for what is restored, and not for what is replayed.
        using var filling = TmpfsMount.TryCreate(backup.RawBytes + (6 << 20))!;
        await scene.Server.ExecuteAsync("CREATE TABLE growing AS SELECT repeat(md5(i::text), 60) AS t FROM generate_series(1, 12000) i", Token);
        await SwitchAsync();
        var archive = await scene.PlainArchiveAsync();
        await scene.Server.ExecuteAsync("DROP TABLE growing", Token);
        var program = scene.Program.Line("restore", "--timeout", "0", "--source", archive.Root, "%f", "%p");

        foreach (var (disk, command, words) in ((TmpfsMount, string?, string)[])[(small, null, "bytes, and '"), (filling, null, "No space left on device"), (filling, program, "No space left on device")])
        {
            var options = Options(archive, disk.Path);
            options.RestoreCommand = command ?? options.RestoreCommand;
            var failure = (await new RestoreDrill(store, archive, options).Awaiting(d => d.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalDrillException>()).Which;

            failure.Code.Should().Be("wal.drill.scratch", failure.Message);
            failure.Message.Should().Contain(disk.Path).And.Contain(words);
            Directory.GetFileSystemEntries(disk.Path).Should().BeEmpty();
        }
    }

    [Theory]
    [InlineData("wal.drill.programs", "PostgreSQL")]
    [InlineData("wal.drill.scratch", "does not exist")]
    [InlineData("wal.drill.sql", "no-such-file.sql")]
    [InlineData("wal.drill.connect", "nobody at all")]
    public async Task What_keeps_a_drill_from_running_is_an_error_with_its_own_code(string code, string words)
    {
        var (store, _) = await scene.MadeAsync();
        var archive = await scene.PlainArchiveAsync();
        var options = Options(archive, code == "wal.drill.scratch" ? scene.Fresh("absent") : Scratch(), code == "wal.drill.sql" ? ["/no-such-file.sql"] : []);
        if (code == "wal.drill.programs")
            options.BinDirectory = "/nowhere";
        if (code == "wal.drill.connect")
            options.User = "nobody at all";

        var failure = (await new RestoreDrill(store, archive, options).Awaiting(d => d.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalDrillException>()).Which;

        failure.Code.Should().Be(code);
        failure.Message.Should().Contain(words);
    }

    [Theory]
    [InlineData(64, "wants one of amcheck, rows, none", "--check", "everything")]
    [InlineData(3, "wants one of amcheck, rows, none", "--check", "everything", "--format", "nagios")]
    [InlineData(64, "it keeps the copy harmless", "--setting", "Archive_Mode=on")]
    public async Task Wrong_use_ends_with_64_and_for_nagios_with_3(int exitCode, string message, params string[] words)
    {
        var result = await WalProgram.RunAsync(["drill", "--source", "/tmp", "--archive", "/tmp", .. words]);

        result.ExitCode.Should().Be(exitCode);
        result.Error.Should().Contain(message);
    }

    private async Task<(DirectoryObjectStore Store, BackupInfo Backup)> BackupNowAsync()
    {
        var store = await scene.NewStoreAsync();
        return (store, (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup);
    }

    private async Task SwitchAsync()
    {
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
    }

    private async Task<string> CurrentSegmentAsync() => (await scene.Server.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_insert_lsn())", Token))!;

    private string Scratch()
    {
        var folder = Directory.CreateDirectory(scene.Fresh("s")).FullName;
        ServerAccount.Own(folder);
        return folder;
    }

    private async Task<string> FileAsync(string sql)
    {
        var path = scene.Fresh("check") + ".sql";
        await File.WriteAllTextAsync(path, sql, Token);
        return path;
    }

    private RestoreDrillOptions Options(DirectoryObjectStore archive, string scratch, params string[] sql) => new()
    {
        RestoreCommand = $"cp '{archive.Root}/%f' '%p'",
        ScratchDirectory = scratch,
        BinDirectory = scene.Server.BinDirectory,
        SqlFiles = sql,
    };

    // As the server's account.
    private Task<ProgramResult> RunAsync(DirectoryObjectStore store, string archive, params string[] words)
    {
        if (Directory.Exists(store.Root))
            ServerAccount.Own(store.Root);
        return scene.Program.RunAsync(["drill", "--source", store.Root, "--archive", archive, "--scratch", Scratch(), "--pg-bin", scene.Server.BinDirectory, .. words], null, Token);
    }

    private static int ServerIn(string scratch)
    {
        try
        {
            return Directory.GetFiles(scratch, "postmaster.pid", SearchOption.AllDirectories) is [var file] && int.TryParse(File.ReadLines(file).FirstOrDefault(), out var id) ? id : 0;
        }
        catch (IOException)
        {
            // The folder is being filled.
            return 0;
        }
    }
}
