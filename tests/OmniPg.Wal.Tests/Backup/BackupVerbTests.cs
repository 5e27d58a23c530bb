using System.Text.Json;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

[Collection(nameof(BackupCollection))]
public sealed class BackupVerbTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Connection => scene.Server.ConnectionString;

    [Fact]
    public async Task Backup_backups_and_backup_restore_work_together_under_the_account_of_the_server()
    {
        var store = (await scene.NewStoreAsync()).Root;
        ServerAccount.Own(store);
        var folder = scene.Fresh("restored");
        var space = scene.Fresh("space");

        var made = await scene.Program.RunAsync(["backup", "--connection", Connection, "--dst-local", $"lz4={store}", "--archive", scene.Archive, "--label", "nightly"], null, Token);
        var listed = await scene.Program.RunAsync(["backups", "--source", store, "--json"], null, Token);
        var restored = await scene.Program.RunAsync(
            ["backup-restore", "--source", store, "--archive", scene.Archive, "--to", folder, "--map", $"{scene.Tablespace}:{space}", "--target-action", "promote"], null, Token);
        await using var server = await scene.StartAsync(folder);

        (made.ExitCode, listed.ExitCode, restored.ExitCode).Should().Be((0, 0, 0), "{0}{1}{2}", made.Error, listed.Error, restored.Error);
        var backup = JsonDocument.Parse(listed.Output).RootElement.GetProperty("backups")[0];
        made.Output.Should().StartWith(backup.GetProperty("id").GetString()).And.Contain("'nightly'");
        (backup.GetProperty("label").GetString(), backup.GetProperty("type").GetString(), backup.GetProperty("valid").GetBoolean(), backup.GetProperty("keep").GetBoolean())
            .Should().Be(("nightly", "full", true, false));
        backup.GetProperty("tablespaces")[0].GetProperty("location").GetString().Should().Be(scene.Tablespace);
        restored.Output.Should().Be($"restored {backup.GetProperty("id").GetString()} into '{folder}'\n");
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
    }

    [Fact]
    public async Task The_old_configuration_file_of_a_backup_names_server_place_and_digest_and_gets_its_meta_file()
    {
        var store = (await scene.NewStoreAsync()).Root;
        ServerAccount.Own(store);
        var server = new Npgsql.NpgsqlConnectionStringBuilder(Connection);
        var file = scene.Fresh("backup.conf");
        await File.WriteAllTextAsync(file, $"# as of omnipitr-backup-master\n-h {server.Host}\n-p {server.Port}\n-U {server.Username}\n-d {server.Database}\n-D {scene.Server.DataDirectory}\n-dl gzip={store}\n-dg SHA-1\n--meta\n", Token);
        ServerAccount.Own(file);

        var made = await scene.Program.RunAsync(["backup", "--config-file", file, "--archive", scene.Archive], null, Token);

        made.ExitCode.Should().Be(0, made.Error);
        var backup = await new BackupCatalog(new DirectoryObjectStore(store)).GetAsync(cancellationToken: Token);
        Directory.GetFiles(Path.Combine(store, backup.Id)).Select(Path.GetFileName).Should().Contain(["base.tar.gz", "SHA1SUMS", "meta"]);
    }

    [Fact]
    public async Task Keep_and_unkeep_mark_a_backup()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var id = backup.Id;

        var keep = await WalProgram.RunAsync("backups", "keep", id, "--source", store.Root);
        var listed = await WalProgram.RunAsync("backups", "--source", store.Root);
        var unkeep = await WalProgram.RunAsync("backups", "unkeep", id, "--source", store.Root);
        var again = await WalProgram.RunAsync("backups", "--source", store.Root);

        (keep.ExitCode, unkeep.ExitCode).Should().Be((0, 0));
        listed.Output.Should().StartWith(id).And.EndWith(", kept\n");
        again.Output.Should().NotContain("kept");
    }

    [Theory]
    [InlineData(64, "The option --dst-local is required.", "backup")]
    [InlineData(64, "is not a connection string", "backup", "--dst-local", "/tmp", "--connection", "Nonsense=1;Password=hunter2")]
    [InlineData(64, "The options --connection and --host name the server both", "backup", "--dst-local", "/tmp", "--connection", "Host=/tmp", "-h", "/tmp")]
    [InlineData(64, "The option --port wants a whole number of at least 1, not '/tmp/pause'.", "backup", "--dst-local", "/tmp", "-p", "/tmp/pause")]
    [InlineData(64, "The option --filename-template must be removed: a backup is a folder that its start names", "backup", "--dst-local", "/tmp", "-f", "__FILETYPE__.tar")]
    [InlineData(64, "The option --xlogs must be removed: with --archive the WAL stays in the archive", "backup", "--dst-local", "/tmp", "-x", "/tmp/xlogs")]
    [InlineData(64, "The option --skip-xlogs must be removed: with --archive", "backup", "--dst-local", "/tmp", "-sx")]
    [InlineData(64, "The option --dst-remote must be removed: a backup goes to one place, and 'omnipg-wal copy --backup ID'", "backup", "-dr", "gzip=host:/backup")]
    [InlineData(64, "The option --truncate must be removed: objects are removed whole", "backup-cleanup", "-b", "/tmp", "-t", "1000")]
    [InlineData(64, "Expected nothing, 'keep ID'", "backups", "drop", "--source", "/tmp")]
    [InlineData(64, "The digest 'SHA-3' is not known", "backup", "--connection", "Host=/tmp", "--dst-local", "/tmp", "--digest", "SHA-3")]
    [InlineData(64, "'walsender', the replication protocol without a program, is not there; 'pg_basebackup' reads the same.", "backup", "--connection", "Host=/tmp", "--dst-local", "/tmp", "--method", "walsender")]
    [InlineData(64, "'tar' is neither 'files' nor 'pg_basebackup'", "backup", "--connection", "Host=/tmp", "--dst-local", "/tmp", "--method", "tar")]
    [InlineData(64, "BinDirectory, StagingDirectory and Password are for the method PgBaseBackup.", "backup", "--connection", "Host=/tmp", "--dst-local", "/tmp", "--staging", "/tmp")]
    [InlineData(64, "Only one target", "backup-restore", "--source", "/tmp", "--to", "/tmp/x", "--archive", "/tmp", "--target-xid", "7", "--target", "immediate")]
    [InlineData(64, "wants a time with its offset", "backup-restore", "--source", "/tmp", "--to", "/tmp/x", "--archive", "/tmp", "--target-time", "2026-05-01 12:00:00")]
    [InlineData(64, "A standby has no recovery target", "backup-restore", "--source", "/tmp", "--to", "/tmp/x", "--archive", "/tmp", "--standby", "--target", "immediate")]
    [InlineData(24, "The key file '/nowhere/key' cannot be used", "backups", "--source", "/tmp", "--key", "/nowhere/key")]
    [InlineData(24, "The key file '/nowhere/key' cannot be used", "backup", "--connection", "Host=/nowhere", "--dst-local", "/tmp", "--encrypt", "/nowhere/key")]
    [InlineData(24, "The key file '/nowhere/key' cannot be used", "init", "--archive", "s3://bucket/wal", "--s3-endpoint", "http://127.0.0.1:9", "--key", "/nowhere/key")]
    [InlineData(24, "The key file '/nowhere/key' cannot be used", "receive", "--connection", "Host=/nowhere", "--slot", "s", "--into", "/tmp", "--dst-local", "/tmp/x", "--encrypt", "/nowhere/key")]
    [InlineData(10, "There is no archive at", "backups", "--source", "/nowhere/at/all")]
    public async Task Trouble_has_its_exit_code_and_its_words(int exitCode, string message, params string[] words)
    {
        var result = await WalProgram.RunAsync(words);

        (result.ExitCode, result.Output).Should().Be((exitCode, ""));
        result.Error.Should().Contain(exitCode == 10 ? "/nowhere/at/all" : message).And.NotContain("hunter2");
    }

    [Fact]
    public async Task A_damaged_backup_ends_the_restore_with_23()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        File.Delete(Path.Combine(store.Root, backup.Parts[0].Key));

        var result = await WalProgram.RunAsync("backup-restore", "--source", store.Root, "--backup", backup.Id, "--archive", scene.Archive, "--to", scene.Fresh("restored"));

        result.ExitCode.Should().Be(23);
        result.Error.Should().Contain($"'{backup.Parts[0].Key}' is missing");
    }

    [Theory]
    [InlineData("while the server makes its checkpoint")]
    [InlineData("while data is written")]
    [InlineData("while the WAL is waited for")]
    public async Task A_killed_backup_is_never_listed_and_hinders_no_other(string phase)
    {
        var store = await scene.NewStoreAsync();
        var emptyArchive = await scene.NewStoreAsync();
        string[] options = phase == "while the server makes its checkpoint" ? ["--spread-checkpoint"] : [];
        await scene.Server.ExecuteAsync("UPDATE kept SET filler = filler", Token);
        // By this the server's side of it is known: what others have asked last stands in their sessions for as long as those wait in a pool.
        var name = "killed " + phase;
        using var program = WalProgram.Start(
            null, ["backup", "--connection", $"{Connection};Application Name={name}", "--data-dir", scene.Server.DataDirectory, "--dst-local", phase == "while data is written" ? $"brotli:11={store.Root}" : store.Root, "--archive", emptyArchive.Root, .. options]);

        await Eventually.TrueAsync(() => IsReachedAsync(phase, store.Root), phase, TimeSpan.FromSeconds(60), Token);
        ServerAccount.Signal(program.Id, 9);
        await program.WaitForExitAsync(Token);
        // The server notices when the checkpoint is over, which was to take its time.
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);

        program.ExitCode.Should().Be(137);
        (await new BackupCatalog(store).ListAsync(Token)).Should().BeEmpty();
        await Eventually.TrueAsync(
            () => scene.Server.ScalarAsync<bool>($"SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = '{name}'", Token),
            "the server gives the backup up", TimeSpan.FromSeconds(60), Token);
        var later = new ShiftedClock { Offset = TimeSpan.FromDays(8) };
        var next = (await new BaseBackup(scene.Server.DataSource, store, scene.ArchiveStore, timeProvider: later).RunAsync(cancellationToken: Token)).Backup;
        // What the killed one left is old by then.
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(store.Root, f))
            .Should().BeEquivalentTo([WalArchiveMarker.Key, $"{next.Id}/backup.json", .. next.Objects.Select(p => p.Key)]);
    }

    private async Task<bool> IsReachedAsync(string phase, string store) => phase switch
    {
        "while the server makes its checkpoint" =>
            await scene.Server.ScalarAsync<bool>($"SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_catalog.pg_backup_start(%' AND state = 'active' AND application_name = 'killed {phase}'", Token),
        "while data is written" => Directory.EnumerateFiles(store, "*.tmp", SearchOption.AllDirectories).Any(),
        _ => Directory.EnumerateFiles(store, "base.tar*", SearchOption.AllDirectories).Any(),
    };
}
