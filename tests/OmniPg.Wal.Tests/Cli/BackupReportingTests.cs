using System.Diagnostics;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>Verbs around base backups, receiver and monitor whose output or messages nobody takes: what was done is done, and its exit code says so; only what is asked for its output alone ends with 10.</summary>
[Collection(nameof(BackupCollection))]
public sealed class BackupReportingTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string[] Server => ["--connection", scene.Server.ConnectionString, "--data-dir", scene.Server.DataDirectory];

    [Theory]
    [InlineData(">/dev/full")]
    [InlineData(">&-")]
    [InlineData("2>/dev/full")]
    [InlineData("2>&-")]
    [InlineData("<&- >&- 2>&-")]
    public async Task Streams_that_take_nothing_leave_the_exit_code_to_the_work(string redirection)
    {
        var (store, daily) = (await scene.NewStoreAsync(), (await DailyBackups.MakeAsync(scene, 3)).Store);
        var (restored, copy, standby, key, begun) = (scene.Fresh("restored"), scene.Fresh("copy"), scene.Fresh("standby"), scene.Fresh("key"), scene.Fresh("begun"));
        foreach (var folder in (string[])[copy, begun])
            Directory.CreateDirectory(folder);
        string[][] works =
        [
            ["backup", .. Server, "--archive", scene.Archive, "--dst-local", store.Root],
            ["backup-restore", "--source", store.Root, "--archive", scene.Archive, "--to", restored, "--map", $"{scene.Tablespace}:{scene.Fresh("space")}"],
            ["copy", "--archive", scene.Archive, "--source", store.Root, "--backup", "latest", "--to", copy, "--begin"],
            ["synch", .. Server, "--output", standby, "--map", $"{scene.Tablespace}:{scene.Fresh("space")}", "--automatic"],
            ["backup-cleanup", "--backup-dir", daily.Root, "--keep-count", "1"],
            ["keygen", key],
            ["init", "--data-dir", scene.Server.DataDirectory, "--archive", begun],
        ];

        foreach (var words in works)
        {
            var result = await WalProgram.RunShellAsync(null, redirection, words[0] is "keygen" ? words : [.. words, "-v"]);

            result.ExitCode.Should().Be(0, string.Join(' ', words) + ": " + result.Error);
            if (redirection[0] == '>')
                result.Error.Split('\n').Should().ContainSingle(line => line.StartsWith("omnipg-wal: Standard output cannot be written: ", StringComparison.Ordinal), words[0]);
        }

        var backup = (await new BackupCatalog(store).ListAsync(Token)).Should().ContainSingle().Which;
        (await new BackupCatalog(store).VerifyAsync(backup.Id, scene.ArchiveStore, cancellationToken: Token)).IsGood.Should().BeTrue();
        (await new BackupCatalog(new DirectoryObjectStore(copy)).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((backup.Id, null));
        (await new BackupCatalog(daily).ListAsync(Token)).Should().ContainSingle();
        foreach (var folder in (string[])[restored, standby])
            File.Exists(Path.Combine(folder, PgControlFile.RelativePath)).Should().BeTrue(folder);
        WalEncryptionKey.ReadFile(key).Id.Should().HaveLength(16);
        File.Exists(Path.Combine(begun, WalArchiveMarker.Key)).Should().BeTrue();
    }

    [Theory]
    [InlineData(">/dev/full")]
    [InlineData(">&-")]
    public async Task Standard_output_that_takes_nothing_ends_with_10_where_it_is_what_was_asked_for(string redirection)
    {
        var (made, backup) = await scene.MadeAsync();
        var (store, daily) = (await scene.NewStoreAsync(), (await DailyBackups.MakeAsync(scene, 2)).Store);
        var plain = await scene.PlainArchiveAsync();
        var scratch = Directory.CreateDirectory(scene.Fresh("s")).FullName;
        ServerAccount.Own(scratch);
        string[][] products =
        [
            ["backup", .. Server, "--archive", scene.Archive, "--dst-local", store.Root, "--json"],
            ["backups", "--source", made.Root],
            ["backups", "--source", made.Root, "--json"],
            ["backups", "verify", backup.Id, "--source", made.Root],
            ["backup-cleanup", "--backup-dir", daily.Root, "--keep-count", "1", "--dry-run"],
            ["synch", .. Server, "--output", scene.Fresh("standby"), "--map", $"{scene.Tablespace}:{scene.Fresh("space")}", "--dry-run"],
            ["check", "--connection", scene.Server.ConnectionString, "--archive", scene.Archive],
            ["monitor", "--check", "backlog", "--connection", scene.Server.ConnectionString, "--archive", scene.Archive],
            ["monitor", "--format", "nagios", "--check", "backlog", "--connection", scene.Server.ConnectionString, "--archive", scene.Archive],
            ["drill", "--source", made.Root, "--archive", plain.Root, "--restore-command", $"cp '{plain.Root}/%f' '%p'", "--scratch", scratch, "--pg-bin", scene.Server.BinDirectory, "--check", "none"],
        ];

        foreach (var words in products)
        {
            var result = await WalProgram.RunShellAsync(null, redirection, words);

            result.ExitCode.Should().Be(10, string.Join(' ', words) + ": " + result.Error);
            result.Error.Should().Contain("omnipg-wal: Standard output cannot be written: ").And.NotContain("Unhandled", string.Join(' ', words));
        }

        (await new BackupCatalog(store).ListAsync(Token)).Should().ContainSingle("it was made, and only not told").Which.Problem.Should().BeNull();
        (await new BackupCatalog(daily).ListAsync(Token)).Should().HaveCount(2);
        Directory.GetFileSystemEntries(scratch).Should().BeEmpty();
    }

    [Theory]
    [InlineData(">/dev/full 2>/dev/full")]
    [InlineData("<&- >&- 2>&-")]
    public async Task A_receiver_whose_streams_take_nothing_receives_and_ends_by_its_signal(string redirection)
    {
        var into = Directory.CreateDirectory(scene.Fresh("into")).FullName;
        string[] words = ["receive", "--connection", scene.Server.ConnectionString, "--slot", "unheard", "--create-slot", "--into", into, "-v"];
        using var program = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"exec \"$0\" \"$@\" {redirection}", Path.Combine(BuiltProgram.DirectoryOf("omnipg-wal"), "omnipg-wal"), .. words]))!;
        await Eventually.TrueAsync(
            () => program.HasExited || Directory.GetFiles(into, "0*").Length > 0, "WAL flows", TimeSpan.FromSeconds(60), Token);

        ServerAccount.Signal(program.Id, 15);
        await program.WaitForExitAsync(Token);
        await Eventually.TrueAsync(() => scene.Server.ScalarAsync<bool>("SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'unheard'", Token), "the slot is free", TimeSpan.FromSeconds(60), Token);
        await scene.Server.ExecuteAsync("SELECT pg_drop_replication_slot('unheard')", Token);

        program.ExitCode.Should().Be(143);
        Directory.GetFiles(into, "0*").Should().NotBeEmpty();
    }
}
