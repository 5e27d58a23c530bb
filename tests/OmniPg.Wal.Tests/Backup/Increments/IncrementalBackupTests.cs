using System.Text;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Chains of incremental backups on real servers: what they restore, and that it is what the server's own program makes of them.</summary>
public sealed class IncrementalBackupTests(IncrementScenes scenes) : IClassFixture<IncrementScenes>
{
    private static readonly string[] Tables = ["kept", "far", "cut", "shrunk", "born", "twice"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(17)]
    [InlineData(18)]
    public async Task A_chain_restores_every_row_of_every_tablespace_and_what_was_written_since(int major)
    {
        var scene = await scenes.GetAsync(major);
        var store = await scene.NewStoreAsync();
        var chain = await ChainAsync(scene, store);
        await scene.Server.ExecuteAsync("UPDATE kept SET filler = repeat('z', 500) WHERE id = 77", Token);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var expected = await SumsAsync(scene.Server);
        var folder = scene.Fresh("restored");

        var restored = await new BackupRestore(store, scene.RestoreOptions()).RunAsync(folder, cancellationToken: Token);
        await using var server = await scene.StartAsync(folder);

        chain.Select(b => b.IncrementOf).Should().Equal(null, chain[0].Id, chain[1].Id);
        chain.Select(b => b.Format).Should().Equal(1, 2, 2);
        chain[2].RawBytes.Should().BeLessThan(chain[0].RawBytes / 4);
        restored.Id.Should().Be(chain[2].Id);
        (await SumsAsync(server)).Should().Be(expected);
        (await server.ScalarAsync<long>("SELECT count(*) FROM pg_class WHERE relname = 'gone'", Token)).Should().Be(0);
        (await server.ScalarAsync<long>("SELECT count(*) FROM pg_database WHERE datname = 'copied'", Token)).Should().Be(1);
        await DropAsync(scene);
    }

    [Theory]
    [InlineData(17)]
    [InlineData(18)]
    public async Task A_restored_chain_is_what_pg_combinebackup_makes_of_it_and_pg_verifybackup_accepts_it(int major)
    {
        var scene = await scenes.GetAsync(major);
        Assert.SkipUnless(scene.Installation!.Has("pg_combinebackup"), "pg_combinebackup is not installed.");
        var store = await scene.NewStoreAsync();
        var chain = await ChainAsync(scene, store);
        var (folder, options) = (scene.Fresh("restored"), scene.RestoreOptions());
        await DropAsync(scene);

        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        var verified = await scene.RunAsync("pg_verifybackup", "--no-parse-wal", folder);
        var inputs = new List<string>();
        foreach (var backup in chain)
            inputs.Add(await UnpackAsync(scene, store, backup));
        var (combined, space) = (scene.Fresh("combined"), scene.Fresh("space"));
        var oid = chain[0].Tablespaces.Single().Oid;
        var combine = await scene.RunAsync(
            "pg_combinebackup", ["--no-sync", "-T", $"{new FileInfo(Path.Combine(inputs[^1], "pg_tblspc", $"{oid}")).LinkTarget}={space}", "-o", combined, .. inputs]);

        combine.ExitCode.Should().Be(0, combine.Error);
        verified.ExitCode.Should().Be(0, verified.Error);
        var (ours, theirs) = (Contents(folder), Contents(combined));
        ours.Keys.Should().BeEquivalentTo(theirs.Keys);
        ours.Where(f => f.Value != theirs[f.Key]).Should().BeEmpty();
        Contents(options.TablespaceMap.Values.Single()).Should().BeEquivalentTo(Contents(space));
        ours.Keys.Should().Contain("backup_label").And.HaveCountGreaterThan(900);
        (await File.ReadAllTextAsync(Path.Combine(folder, "backup_label"), Token)).Should().NotContain("INCREMENTAL");
    }

    [Fact]
    public async Task A_chain_with_its_own_WAL_encrypted_is_restored_by_itself_and_without_the_key_refused()
    {
        var scene = await scenes.GetAsync(17);
        var inner = await scene.NewStoreAsync();
        var store = new EncryptedObjectStore(inner, new WalKeyRing(WalEncryptionKey.Generate()));
        var full = (await scene.BackupTo(store, withArchive: false).RunAsync(cancellationToken: Token)).Backup;
        await scene.Server.ExecuteAsync("CREATE TABLE own AS SELECT generate_series(1, 99) i", Token);
        await scene.NextSecondAsync(full);
        await scene.BackupTo(store, withArchive: false, new BaseBackupOptions { IncrementOf = full.Id }).RunAsync(cancellationToken: Token);
        await scene.Server.ExecuteAsync("DROP TABLE own", Token);
        var (folder, options) = (scene.Fresh("restored"), scene.RestoreOptions());
        options.RestoreCommand = null;

        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        var blind = async () => await new BackupRestore(inner, options).RunAsync(scene.Fresh("blind"), cancellationToken: Token);

        await blind.Should().ThrowAsync<WalEncryptionException>();
        await using var server = await scene.StartAsync(folder);
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM own) + (SELECT count(*) FROM kept)", Token)).Should().Be(1099);
    }

    [Fact]
    public async Task A_drill_of_an_incremental_backup_is_clean_and_one_that_lacks_a_link_is_told()
    {
        var scene = await scenes.GetAsync(17);
        var store = await scene.NewStoreAsync();
        var chain = await ChainAsync(scene, store);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var archive = await scene.PlainArchiveAsync();
        var scratch = Directory.CreateDirectory(scene.Fresh("s")).FullName;
        ServerAccount.Own(scratch);
        var options = new RestoreDrillOptions
        {
            BackupId = chain[2].Id, RestoreCommand = $"cp '{archive.Root}/%f' '%p'", ScratchDirectory = scratch, BinDirectory = scene.Server.BinDirectory,
        };
        await DropAsync(scene);

        var clean = await new RestoreDrill(store, archive, options).RunAsync(cancellationToken: Token);
        File.Delete(Path.Combine(store.Root, chain[1].Parts[^1].Key));
        var broken = await new RestoreDrill(store, archive, options).RunAsync(cancellationToken: Token);

        (clean.Verdict, clean.Reason, clean.Backup!.Id).Should().Be((RestoreDrillVerdict.Clean, null, chain[2].Id), string.Join('\n', clean.Findings));
        clean.Rows.Should().BeGreaterThan(2000);
        clean.Amchecked.Should().BeGreaterThan(100);
        broken.Verdict.Should().Be(RestoreDrillVerdict.NotReached);
        broken.Reason.Should().Contain($"backup '{chain[1].Id}', of which it holds the changes, is not valid");
    }

    [Fact]
    public async Task A_copy_of_one_incremental_backup_takes_along_what_it_stands_on_and_damage_there_is_found()
    {
        var scene = await scenes.GetAsync(17);
        var store = await scene.NewStoreAsync();
        var full = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.NextSecondAsync(full);
        var changes = (await scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = full.Id }).RunAsync(cancellationToken: Token)).Backup;
        var to = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("copy")).FullName);

        var copied = await new RepositoryCopy(scene.ArchiveStore, to, new RepositoryCopyOptions { BackupId = changes.Id, Begin = true }, store).RunAsync(cancellationToken: Token);
        var verified = await new BackupCatalog(to).VerifyAsync(changes.Id, to, cancellationToken: Token);
        var part = Path.Combine(to.Root, full.Parts[^1].Key);
        var bytes = await File.ReadAllBytesAsync(part, Token);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(part, bytes, Token);
        var damaged = await new BackupCatalog(to).VerifyAsync(changes.Id, to, cancellationToken: Token);

        copied.Problems.Should().BeEmpty();
        copied.Backups.Select(b => b.Id).Should().Equal(full.Id, changes.Id);
        verified.Problems.Should().BeEmpty();
        File.Exists(Path.Combine(to.Root, changes.Manifest!.Key)).Should().BeTrue();
        damaged.Problems.Should().ContainSingle().Which.Should().StartWith($"'{full.Parts[^1].Key}'");
    }

    [Fact]
    public async Task A_copied_increment_whose_ground_is_removed_in_the_new_place_meanwhile_does_not_count_there()
    {
        var scene = await scenes.GetAsync(17);
        var store = await scene.NewStoreAsync();
        var full = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.NextSecondAsync(full);
        var changes = (await scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = full.Id }).RunAsync(cancellationToken: Token)).Backup;
        var to = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("copy")).FullName);
        var removing = new HookedStore(to)
        {
            Writing = key =>
            {
                if (key == $"{changes.Id}/backup.json")
                    File.Delete(Path.Combine(to.Root, full.Id, "backup.json"));
                return Task.CompletedTask;
            },
        };

        var copied = await new RepositoryCopy(scene.ArchiveStore, removing, new RepositoryCopyOptions { BackupId = changes.Id, Begin = true }, store).RunAsync(cancellationToken: Token);

        copied.Problems.Should().Equal($"'{changes.Id}': brought to '{to.Id}', but backup '{full.Id}', of which it holds the changes, was removed");
        copied.Backups.Select(b => b.Id).Should().Equal(full.Id);
        (await new BackupCatalog(to).ListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task Of_an_incremental_backup_the_pages_that_it_holds_are_compared_and_the_damage_below_it_is_told_with_it()
    {
        const int PageBytes = 8192;
        var scene = await scenes.GetAsync(17);
        var store = await scene.NewStoreAsync();
        await scene.Server.ExecuteAsync("CREATE TABLE rotten AS SELECT i, md5(i::text) AS t FROM generate_series(1, 5000) i", Token);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        var path = await scene.Server.ScalarAsync<string>("SELECT pg_relation_filepath('rotten')", Token);
        Flip(7);
        var full = await scene.BackupTo(store).RunAsync(cancellationToken: Token);
        await scene.Server.ExecuteAsync("UPDATE rotten SET t = 'changed' WHERE i = 1", Token);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        Flip(0);
        await scene.NextSecondAsync(full.Backup);

        var changes = await scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = full.Backup.Id }).RunAsync(cancellationToken: Token);

        full.DamagedPages!.Select(p => (p.Path, p.Block)).Should().Equal((path, 7));
        changes.DamagedPages!.Select(p => (p.Path, p.Block)).Should().Equal((path, 0));
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.DamagedPages, b.ChainDamagedPages)).Should().Equal((1, 1), (1, 2));
        var listed = await WalProgram.RunAsync("backups", "--source", store.Root);
        listed.Output.TrimEnd().Should().EndWith($", changes of {full.Backup.Id}, 1 DAMAGED PAGES, 1 DAMAGED PAGES in what it stands on");
        await scene.Server.ExecuteAsync("DROP TABLE rotten", Token);

        void Flip(int block)
        {
            using var file = new FileStream(Path.Combine(scene.Server.DataDirectory, path), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            file.Position = (block * PageBytes) + 5000;
            var value = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(value ^ 0x40));
        }
    }

    [Fact]
    public async Task Files_that_are_not_the_servers_come_along_whatever_they_are_called_and_whatever_they_have_become()
    {
        var scene = await scenes.GetAsync(17);
        var store = await scene.NewStoreAsync();
        var own = Directory.CreateDirectory(Path.Combine(scene.Server.DataDirectory, "own")).FullName;
        Directory.CreateDirectory(Path.Combine(own, "folder"));
        foreach (var (name, content) in ((string, string)[])[("INCREMENTAL.7", "seven"), ("folder/file", "below"), ("file", "plain")])
            await File.WriteAllTextAsync(Path.Combine(own, name), content, Token);
        ServerAccount.Own(own);
        var full = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        Directory.Delete(Path.Combine(own, "folder"), recursive: true);
        await File.WriteAllTextAsync(Path.Combine(own, "folder"), "a file now", Token);
        File.Delete(Path.Combine(own, "file"));
        await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(own, "file")).FullName, "below"), "a folder now", Token);
        ServerAccount.Own(own);
        await scene.NextSecondAsync(full);
        await scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = full.Id }).RunAsync(cancellationToken: Token);
        Directory.Delete(own, recursive: true);
        var folder = scene.Fresh("restored");

        await new BackupRestore(store, scene.RestoreOptions()).RunAsync(folder, cancellationToken: Token);

        var found = Directory.GetFiles(Path.Combine(folder, "own"), "*", SearchOption.AllDirectories).Select(f => (Path.GetRelativePath(folder, f), File.ReadAllText(f)));
        found.Should().BeEquivalentTo([("own/INCREMENTAL.7", "seven"), ("own/folder", "a file now"), ("own/file/below", "a folder now")]);
    }

    /// <summary>A full backup and two on it, with every kind of change between them.</summary>
    private static async Task<List<BackupInfo>> ChainAsync(BackupScene scene, IObjectStore store)
    {
        string[] before =
        [
            "DROP TABLE IF EXISTS cut, shrunk, gone, born, twice",
            // Most of a cluster does not change between two backups; what the catalogs have besides their rows comes whole.
            "CREATE TABLE IF NOT EXISTS still AS SELECT i, repeat('i', 300) filler FROM generate_series(1, 30000) i",
            "DROP DATABASE IF EXISTS copied",
            "CREATE TABLE cut AS SELECT i, repeat('c', 300) filler FROM generate_series(1, 3000) i", "CREATE TABLE shrunk AS SELECT i, repeat('s', 300) filler FROM generate_series(1, 3000) i",
            "CREATE TABLE gone AS SELECT generate_series(1, 1000) i", "CREATE TABLE twice (i int) TABLESPACE other", "INSERT INTO twice SELECT generate_series(1, 10000)", "CREATE INDEX ON twice (i)", "CHECKPOINT",
        ];
        string[] first =
        [
            "UPDATE kept SET filler = repeat('y', 500) WHERE id % 250 = 0", "UPDATE far SET filler = md5('n' || id) WHERE id = 5", "TRUNCATE cut", "INSERT INTO cut SELECT i, repeat('d', 300) FROM generate_series(1, 500) i",
            "DELETE FROM shrunk WHERE i > 1000", "VACUUM (TRUNCATE) shrunk", "INSERT INTO shrunk SELECT i, repeat('t', 300) FROM generate_series(1, 900) i",
            "DROP TABLE gone", "CREATE TABLE born AS SELECT generate_series(1, 1234) i", "CREATE DATABASE copied STRATEGY file_copy", "UPDATE twice SET i = -i WHERE i = 9999",
        ];
        string[] second = ["UPDATE twice SET i = -i WHERE i = 1", "DELETE FROM born WHERE i = 7", "UPDATE kept SET filler = repeat('w', 500) WHERE id = 3", "CREATE INDEX ON born (i)"];

        await RunAsync(scene, before);
        var full = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await RunAsync(scene, first);
        await scene.NextSecondAsync(full);
        var one = (await scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = full.Id }).RunAsync(cancellationToken: Token)).Backup;
        await RunAsync(scene, second);
        await scene.NextSecondAsync(one);
        var two = (await scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = BaseBackupOptions.Latest }).RunAsync(cancellationToken: Token)).Backup;
        return [full, one, two];
    }

    private static async Task RunAsync(BackupScene scene, string[] statements)
    {
        foreach (var statement in statements)
            await scene.Server.ExecuteAsync(statement, Token);
    }

    private static Task DropAsync(BackupScene scene) => RunAsync(scene, ["DROP TABLE cut, shrunk, born, twice", "DROP DATABASE copied"]);

    private static async Task<string> SumsAsync(PgCluster server)
    {
        var sums = new StringBuilder();
        foreach (var table in Tables)
            sums.Append(table).Append(' ').Append(await server.ScalarAsync<string>($"SELECT count(*) || ' ' || md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} t", Token)).Append('\n');
        return sums.ToString();
    }

    /// <summary>The parts of one backup as <c>tar x</c> leaves them, with a link to the tablespace.</summary>
    private static async Task<string> UnpackAsync(BackupScene scene, IObjectStore store, BackupInfo backup)
    {
        var (data, space) = (Directory.CreateDirectory(scene.Fresh("unpacked")).FullName, Directory.CreateDirectory(scene.Fresh("unpacked")).FullName);
        foreach (var part in backup.Parts)
        {
            await using var content = await WalContent.OpenReadAsync(store, part.Key, Token);
            await System.Formats.Tar.TarFile.ExtractToDirectoryAsync(content!, part.Tablespace == 0 ? data : space, overwriteFiles: false, Token);
        }

        Directory.CreateSymbolicLink(Path.Combine(data, "pg_tblspc", $"{backup.Tablespaces.Single().Oid}"), space);
        File.Delete(Path.Combine(data, "tablespace_map"));
        foreach (var folder in (string[])[data, space])
            ServerAccount.Own(folder);
        return data;
    }

    /// <summary>The SHA-256 of each file that a restore does not set up itself.</summary>
    private static Dictionary<string, string> Contents(string folder)
    {
        string[] own = ["postgresql.auto.conf", "backup_manifest", "recovery.signal"];
        var found = new Dictionary<string, string>();
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(f => !own.Contains(Path.GetFileName(f)) && !f.Contains("pg_tblspc", StringComparison.Ordinal)))
            found.Add(Path.GetRelativePath(folder, file), Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file))));
        return found;
    }
}
