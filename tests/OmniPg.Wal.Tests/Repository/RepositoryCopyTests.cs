using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Repository;

/// <summary>Repositories copied to another store: whole, or not counted.</summary>
[Collection(nameof(BackupCollection))]
public sealed class RepositoryCopyTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_copy_is_equal_restores_without_the_old_place_and_brings_only_what_is_new_the_next_time()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        await new BackupCatalog(store).KeepAsync(backup.Id, Token);
        await scene.ArchivedAsync();
        var to = NewFolder();
        string[] words = ["copy", "--archive", scene.Archive, "--source", store.Root, "--to", to.Root];

        var refused = await WalProgram.RunAsync(words);
        var first = await WalProgram.RunAsync([.. words, "--begin"]);
        var again = await WalProgram.RunAsync(words);
        var wanted = FilesIn(scene.Archive).Concat(FilesIn(store.Root)).Where(f => f.Key != WalArchiveMarker.Key).ToDictionary();
        var folder = scene.Fresh("restored");
        var options = scene.RestoreOptions();
        options.RestoreCommand = scene.Program.Line("restore", "--timeout", "1", "--source", to.Root, "%f", "%p");
        ServerAccount.Own(to.Root);
        await new BackupRestore(to, options, to).RunAsync(folder, cancellationToken: Token);
        await using var server = await scene.StartAsync(folder);

        (refused.ExitCode, first.ExitCode, again.ExitCode).Should().Be((10, 0, 0), "{0}{1}{2}", refused.Error, first.Error, again.Error);
        refused.Error.Should().Contain(to.Root);
        first.Output.Split('\n')[^2].Should().StartWith($"copied {wanted.Count} files, 0 were there, ").And.EndWith("; 1 backups");
        again.Output.Split('\n')[^2].Should().StartWith($"copied 0 files, {wanted.Count} were there, ");
        FilesIn(to.Root).Where(f => f.Key != WalArchiveMarker.Key).Should().BeEquivalentTo(wanted);
        (await new BackupCatalog(to).ListAsync(Token)).Should().ContainSingle().Which.IsKept.Should().BeTrue();
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
    }

    [Fact]
    public async Task A_repository_is_not_its_own_copy_whatever_it_is_called()
    {
        var link = scene.Fresh("link");
        Directory.CreateSymbolicLink(link, scene.Archive);

        var copying = () => new RepositoryCopy(scene.ArchiveStore, new DirectoryObjectStore(link)).RunAsync(cancellationToken: Token);

        (await copying.Should().ThrowAsync<WalArchiveMismatchException>()).Which.Message.Should().Contain(link);
    }

    [Fact]
    public async Task One_backup_takes_along_the_WAL_that_it_needs_and_no_other()
    {
        var (store, backup) = await scene.MadeAsync();
        var to = NewFolder();

        var result = await new RepositoryCopy(scene.ArchiveStore, to, new RepositoryCopyOptions { BackupId = "latest", Begin = true }, store).RunAsync(cancellationToken: Token);

        result.Problems.Should().BeEmpty();
        result.Backups.Select(b => b.Id).Should().Equal(backup.Id);
        FilesIn(to.Root).Keys.Where(k => !k.StartsWith(backup.Id, StringComparison.Ordinal) && k != WalArchiveMarker.Key).Should().BeEquivalentTo(BackupWal.Of(backup).Segments.Select(s => s + ".zst"));
        (await new BackupCatalog(to).VerifyAsync(backup.Id, to, cancellationToken: Token)).IsGood.Should().BeTrue();
    }

    [Theory]
    [InlineData("part", "instead of")]
    [InlineData("wal", "without which it is not consistent")]
    [InlineData("missing", "is missing")]
    public async Task A_backup_that_is_no_good_is_told_and_does_not_count_in_the_new_place(string what, string reason)
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var archive = await scene.PlainArchiveAsync(what == "wal" ? backup.WalTo.ToString() : null);
        var part = Path.Combine(store.Root, backup.Parts[0].Key);
        if (what == "part")
            File.Copy(Path.Combine(store.Root, backup.Parts[1].Key), part, overwrite: true);
        if (what == "missing")
            File.Delete(part);
        if (what == "part")
            await File.WriteAllBytesAsync(Path.Combine(store.Root, backup.Id, "backup.json"), (backup with { Parts = [backup.Parts[0] with { StoredBytes = new FileInfo(part).Length }, .. backup.Parts.Skip(1)] }).ToJson(), Token);
        var to = NewFolder();

        var result = await WalProgram.RunAsync("copy", "--archive", archive.Root, "--source", store.Root, "--to", to.Root, "--begin");

        result.ExitCode.Should().Be(23, result.Error);
        result.Output.Should().StartWith($"NOT COPIED '{backup.Id}': ").And.Contain(reason).And.EndWith("; 0 backups\n");
        (await new BackupCatalog(to).ListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_backup_that_is_removed_while_it_is_copied_does_not_count_in_the_new_place()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var to = NewFolder();
        var entry = Path.Combine(store.Root, backup.Id, "backup.json");

        var result = await new RepositoryCopy(scene.ArchiveStore, to, new RepositoryCopyOptions { Begin = true }, store)
            .RunAsync(new Told(p => { if (p.Key == backup.Parts[^1].Key) File.Delete(entry); }), Token);

        result.Backups.Should().BeEmpty();
        result.Problems.Should().Equal($"'{backup.Id}': it was removed from '{store.Id}' meanwhile");
        (await new BackupCatalog(to).ListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_damaged_segment_stays_behind_and_another_content_there_is_not_touched()
    {
        await scene.ArchivedAsync();
        var archive = await scene.PlainArchiveAsync();
        var files = Directory.GetFiles(archive.Root, "0*").Select(f => Path.GetFileName(f)!).ToArray();
        var names = files.Where(n => n.Length == 24).Order(StringComparer.Ordinal).ToArray();
        var to = NewFolder();
        File.Copy(Path.Combine(archive.Root, WalArchiveMarker.Key), Path.Combine(to.Root, WalArchiveMarker.Key));
        await File.WriteAllTextAsync(Path.Combine(to.Root, names[1]), "something else", Token);
        await using (var file = new FileStream(Path.Combine(archive.Root, names[0]), FileMode.Open))
        {
            file.Position = 9000;
            var value = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(value ^ 1));
        }

        var result = await new RepositoryCopy(archive, to).RunAsync(cancellationToken: Token);

        result.Problems.Should().HaveCount(2);
        result.Problems[0].Should().StartWith($"'{names[0]}'");
        result.Problems[1].Should().StartWith($"'{names[1]}'");
        File.Exists(Path.Combine(to.Root, names[0])).Should().BeFalse();
        (await File.ReadAllTextAsync(Path.Combine(to.Root, names[1]), Token)).Should().Be("something else");
        result.Copied.Should().Be(files.Length - 2);
    }

    [Fact]
    public async Task A_segment_that_lies_there_in_another_codec_with_another_content_is_told_and_gets_no_second_copy()
    {
        await scene.ArchivedAsync();
        var archive = await scene.PlainArchiveAsync();
        var names = Directory.GetFiles(archive.Root, "0*").Select(f => Path.GetFileName(f)!).Where(n => n.Length == 24).Order(StringComparer.Ordinal).ToArray();
        var to = NewFolder();
        File.Copy(Path.Combine(archive.Root, WalArchiveMarker.Key), Path.Combine(to.Root, WalArchiveMarker.Key));
        foreach (var (name, content) in ((string, string)[])[(names[0], names[0]), (names[1], names[0])])
        {
            await using var gzip = new System.IO.Compression.GZipStream(File.Create(Path.Combine(to.Root, name + ".gz")), System.IO.Compression.CompressionLevel.Fastest);
            await gzip.WriteAsync(await File.ReadAllBytesAsync(Path.Combine(archive.Root, content), Token), Token);
        }

        var result = await new RepositoryCopy(archive, to).RunAsync(cancellationToken: Token);

        result.Problems.Should().ContainSingle().Which.Should().StartWith($"'{names[1]}': ").And.Contain($"{names[1]}.gz");
        File.Exists(Path.Combine(to.Root, names[1])).Should().BeFalse();
        File.Exists(Path.Combine(to.Root, names[0])).Should().BeTrue();
    }

    [Fact]
    public async Task Encrypted_files_go_over_as_they_are_with_and_without_their_key()
    {
        var key = WalEncryptionKey.Generate();
        var inner = NewFolder();
        var encrypted = new EncryptedObjectStore(inner, new WalKeyRing(key));
        await scene.ArchivedAsync();
        foreach (var path in Directory.GetFiles(scene.Archive).Where(f => !Path.GetFileName(f).StartsWith('.')))
            await SmallObject.WriteAsync(encrypted, Path.GetFileName(path), await File.ReadAllBytesAsync(path, Token), Token);
        var (with, without) = (NewFolder(), NewFolder());

        var read = await new RepositoryCopy(encrypted, with, new RepositoryCopyOptions { Begin = true }).RunAsync(cancellationToken: Token);
        var unread = await new RepositoryCopy(inner, without, new RepositoryCopyOptions { Begin = true }).RunAsync(cancellationToken: Token);

        (read.IsGood, read.Unread, unread.IsGood, unread.Unread).Should().Be((true, 0, true, unread.Copied));
        foreach (var to in (DirectoryObjectStore[])[with, without])
            FilesIn(to.Root).Where(f => f.Key != WalArchiveMarker.Key).Should().BeEquivalentTo(FilesIn(inner.Root).Where(f => f.Key != WalArchiveMarker.Key));
    }

    [Fact]
    public async Task The_archive_of_another_cluster_takes_no_copy()
    {
        var to = NewFolder();
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(to, Token);

        await FluentActions.Awaiting(() => new RepositoryCopy(scene.ArchiveStore, to).RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalArchiveMismatchException>();

        FilesIn(to.Root).Keys.Should().Equal(WalArchiveMarker.Key);
    }

    [Fact]
    public async Task Backups_of_another_cluster_than_the_archive_are_not_copied_and_nothing_is_begun()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        await File.WriteAllBytesAsync(Path.Combine(store.Root, backup.Id, "backup.json"), (backup with { SystemIdentifier = 42 }).ToJson(), Token);
        var to = NewFolder();

        var failure = (await new RepositoryCopy(scene.ArchiveStore, to, new RepositoryCopyOptions { Begin = true }, store)
            .Awaiting(c => c.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalArchiveMismatchException>()).Which;

        failure.Message.Should().Contain("'42'");
        FilesIn(to.Root).Should().BeEmpty();
    }

    private sealed class Told(Action<RepositoryCopyProgress> told) : IProgress<RepositoryCopyProgress>
    {
        public void Report(RepositoryCopyProgress value) => told(value);
    }

    private DirectoryObjectStore NewFolder() => new(Directory.CreateDirectory(scene.Fresh("copy")).FullName);

    /// <summary>Path below the folder and content of every file.</summary>
    private static Dictionary<string, string> FilesIn(string folder) => Directory.GetFiles(folder, "*", SearchOption.AllDirectories)
        .Where(f => !Path.GetFileName(f).StartsWith('.'))
        .ToDictionary(f => Path.GetRelativePath(folder, f), f => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f))));
}
