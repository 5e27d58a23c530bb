using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Restores onto what is there.</summary>
[Collection(nameof(BackupCollection))]
public sealed class DeltaRestoreTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_older_state_becomes_the_backup_and_nothing_outside_is_touched()
    {
        var (store, folder, options) = await RestoredAsync();
        var space = options.TablespaceMap[scene.Tablespace];
        var outside = Directory.CreateDirectory(scene.Fresh("outside")).FullName;
        await File.WriteAllTextAsync(Path.Combine(outside, "mine"), "mine", Token);
        var kept = await FileOfAsync(folder, "kept");
        await using var server = await scene.StartAsync(folder);
        await server.ExecuteAsync("DELETE FROM kept WHERE id <= 500", Token);
        await server.ExecuteAsync("CREATE TABLE later AS SELECT generate_series(1, 1000) i", Token);
        await server.ExecuteAsync("CREATE TABLE far_later TABLESPACE other AS SELECT generate_series(1, 1000) i", Token);
        await server.StopAsync(cancellationToken: Token);
        // A second name of a changed file, links in place of a folder and of a file, and one more.
        HardLink(kept, Path.Combine(outside, "second"));
        var changed = await File.ReadAllBytesAsync(Path.Combine(outside, "second"), Token);
        Directory.Move(Path.Combine(folder, "pg_xact"), Path.Combine(outside, "pg_xact"));
        Directory.CreateSymbolicLink(Path.Combine(folder, "pg_xact"), Path.Combine(outside, "pg_xact"));
        File.Move(Path.Combine(folder, "PG_VERSION"), Path.Combine(outside, "PG_VERSION"));
        File.CreateSymbolicLink(Path.Combine(folder, "PG_VERSION"), Path.Combine(outside, "PG_VERSION"));
        Directory.CreateSymbolicLink(Path.Combine(folder, "base", "link"), outside);
        var before = Sums(outside);
        using var logs = new FakeLoggerFactory();

        await new BackupRestore(store, options, loggerFactory: logs).RunAsync(folder, cancellationToken: Token);
        var links = new DirectoryInfo(folder).EnumerateFileSystemInfos("*", SearchOption.AllDirectories).Where(e => e.LinkTarget is not null).Select(e => e.LinkTarget).ToList();
        var marks = Directory.GetFiles(folder, ".omnipg*").Concat(Directory.GetFiles(space, ".omnipg*")).ToList();
        var verified = await scene.RunAsync("pg_verifybackup", "-n", folder);
        await using var again = await scene.StartAsync(folder);

        verified.ExitCode.Should().Be(0, verified.Error);
        (await again.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
        (await again.ScalarAsync<long>("SELECT count(*) FROM pg_class WHERE relname LIKE '%later'", Token)).Should().Be(0);
        links.Should().Equal(space);
        marks.Should().BeEmpty();
        Sums(outside).Should().Equal(before);
        (await File.ReadAllBytesAsync(Path.Combine(outside, "second"), Token)).Should().Equal(changed);
        logs.Lines.Select(l => l.Message).Should().ContainSingle(m => m.Contains($" files of {folder} were there", StringComparison.Ordinal)).Which.Split(' ')[0].Should().MatchRegex("^[1-9][0-9]{2,}$");
    }

    [Fact]
    public async Task What_is_equal_is_not_written_again()
    {
        var (store, folder, options) = await RestoredAsync();
        var files = Directory.GetFiles(Path.Combine(folder, "base"), "*", SearchOption.AllDirectories);
        var copies = scene.Fresh("names");
        Directory.CreateDirectory(copies);
        for (var i = 0; i < files.Length; i++)
            HardLink(files[i], Path.Combine(copies, $"{i}"));

        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);

        // The same file still, under both names.
        for (var i = 0; i < files.Length; i++)
            Inode(files[i]).Should().Be(Inode(Path.Combine(copies, $"{i}")), files[i]);
    }

    [Fact]
    public async Task A_running_server_another_cluster_and_any_other_folder_are_left_alone()
    {
        var (store, folder, options) = await RestoredAsync();
        var space = options.TablespaceMap[scene.Tablespace];
        await File.WriteAllTextAsync(Path.Combine(folder, "postmaster.pid"), "1\n", Token);
        var running = await RefusedAsync(store, options, folder);
        File.Delete(Path.Combine(folder, "postmaster.pid"));
        Directory.CreateDirectory(Path.Combine(space, "PG_99_202901011"));
        var shared = await RefusedAsync(store, options, folder);
        Directory.Delete(Path.Combine(space, "PG_99_202901011"));
        var foreign = Directory.CreateDirectory(scene.Fresh("foreign")).FullName;
        await File.WriteAllTextAsync(Path.Combine(foreign, "thesis.txt"), "mine", Token);
        var other = scene.RestoreOptions();
        (other.RestoreCommand, other.Delta, other.TablespaceMap) = (scene.RestoreCommand, true, new Dictionary<string, string> { [scene.Tablespace] = foreign });
        var stranger = await RefusedAsync(store, options, foreign);
        var strangeSpace = await RefusedAsync(store, other, folder);
        await using var server = await PgCluster.StartAsync(new PgClusterOptions { Installation = scene.Installation }, Token);
        await server.StopAsync(cancellationToken: Token);
        var otherCluster = await RefusedAsync(store, options, server.DataDirectory);

        running.Should().Contain("it holds 'postmaster.pid'");
        shared.Should().Contain("it holds 'PG_99_202901011'");
        stranger.Should().Contain("it is neither empty nor a data directory");
        strangeSpace.Should().Contain($"no link in '{folder}' leads to it");
        otherCluster.Should().Contain("it belongs to cluster '");
        File.Exists(Path.Combine(folder, "global", "pg_control")).Should().BeTrue();
        Directory.GetFiles(foreign).Should().Equal(Path.Combine(foreign, "thesis.txt"));
    }

    [Fact]
    public async Task A_killed_one_leaves_no_cluster_and_the_next_goes_on()
    {
        var (store, folder, options) = await RestoredAsync();
        string[] words = ["backup-restore", "--delta", "--source", store.Root, "--archive", scene.Archive, "--to", folder, "--map", $"{scene.Tablespace}:{options.TablespaceMap[scene.Tablespace]}", "--target-action", "promote"];
        for (var kill = 0; kill < 3; kill++)
        {
            using var program = WalProgram.Start(null, words);
            await Eventually.TrueAsync(() => program.HasExited || File.Exists(Path.Combine(folder, ".omnipg-restore")), "it begins", TimeSpan.FromSeconds(60), Token);
            ServerAccount.Signal(program.Id, 9);
            await program.WaitForExitAsync(Token);
            // Or it was too late, or too early.
            if (File.Exists(Path.Combine(folder, ".omnipg-restore")) && !File.Exists(Path.Combine(folder, "global", "pg_control")))
                (await scene.RunAsync("pg_controldata", "-D", folder)).ExitCode.Should().NotBe(0);
        }

        File.Delete(Path.Combine(folder, "global", "pg_control"));
        await File.WriteAllTextAsync(Path.Combine(folder, ".omnipg-restore"), $"{(await WalArchiveMarker.ReadAsync(store, Token))!.SystemIdentifier}\n", Token);
        var made = await WalProgram.RunAsync(words);
        await using var server = await scene.StartAsync(folder);

        made.ExitCode.Should().Be(0, made.Error);
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
    }

    [Fact]
    public async Task One_that_fails_in_the_middle_is_marked_and_goes_on_with_another_backup()
    {
        var (store, folder, options) = await RestoredAsync();
        var (damaged, backup) = await scene.CopyOfMadeAsync();
        await using (var file = new FileStream(Path.Combine(damaged.Root, backup.Parts[^1].Key), FileMode.Open))
        {
            file.Position = file.Length / 2;
            file.Write(new byte[4096]);
        }

        var failure = (await new BackupRestore(damaged, options).Awaiting(r => r.RunAsync(folder, cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;
        var (isCluster, isMarked) = (File.Exists(Path.Combine(folder, "global", "pg_control")), File.Exists(Path.Combine(folder, ".omnipg-restore")));
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);

        failure.Code.Should().Be("wal.backup.damaged");
        (isCluster, isMarked).Should().Be((false, true));
        (await scene.RunAsync("pg_verifybackup", "-n", folder)).ExitCode.Should().Be(0);
    }

    private async Task<(DirectoryObjectStore Store, string Folder, BackupRestoreOptions Options)> RestoredAsync()
    {
        var (store, _) = await scene.MadeAsync();
        var folder = scene.Fresh("restored");
        var options = scene.RestoreOptions();
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        options.Delta = true;
        return (store, folder, options);
    }

    private static async Task<string> RefusedAsync(DirectoryObjectStore store, BackupRestoreOptions options, string folder)
    {
        var failure = (await new BackupRestore(store, options).Awaiting(r => r.RunAsync(folder, cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;
        failure.Code.Should().Be("wal.backup.target");
        return failure.Message;
    }

    private async Task<string> FileOfAsync(string folder, string table) => Path.Combine(folder, await scene.Server.ScalarAsync<string>($"SELECT pg_relation_filepath('{table}')", Token));

    private static List<string> Sums(string folder) => Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        .Select(f => $"{f} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f)))}").ToList();

    private static void HardLink(string path, string name) => System.Diagnostics.Process.Start("ln", [path, name]).WaitForExit();

    private static ulong Inode(string path) => OmniPg.Shared.FileStat.TryGet(path, out var stat) ? stat.Inode : 0;
}
