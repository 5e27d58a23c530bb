using System.Text.Json;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Encryption;

/// <summary>Base backups beside an encrypted archive, and encrypted ones: made, listed, restored, and never taken for missing without their key.</summary>
[Collection(nameof(BackupCollection))]
public sealed class EncryptedBackupTests(BackupScene scene)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Beside_an_archive_that_is_encrypted_a_backup_without_the_key_ends_before_it_reads_the_data()
    {
        var store = await scene.NewStoreAsync();
        var archive = await EncryptedArchiveAsync(WalEncryptionKey.Generate());
        var read = 0L;

        var failure = await FailureAsync<WalEncryptionException>(
            () => new BaseBackup(scene.Server.DataSource, store, archive).RunAsync(new Reporter(bytes => read += bytes), Token).WaitAsync(Soon, Token));

        failure.Code.Should().Be("wal.encryption.no-key");
        read.Should().Be(0);
        Directory.GetFiles(store.Root).Select(Path.GetFileName).Should().Equal(WalArchiveMarker.Key);
    }

    [Fact]
    public async Task WAL_of_a_backup_that_lies_in_the_archive_encrypted_is_no_missing_WAL()
    {
        var (store, backup) = await scene.MadeAsync();
        var archive = await EncryptedArchiveAsync(WalEncryptionKey.Generate());

        var waiting = await FailureAsync<WalEncryptionException>(() => BackupWal.Of(backup).ArriveAsync(archive, TimeSpan.FromHours(1), TimeProvider.System, Token).WaitAsync(Soon, Token));
        var verifying = await FailureAsync<WalEncryptionException>(() => new BackupCatalog(store).VerifyAsync(backup.Id, archive, cancellationToken: Token));

        (waiting.File, verifying.File).Should().Be(($"{backup.WalFrom}.zst.enc", $"{backup.WalFrom}.zst.enc"));
    }

    [Fact]
    public async Task An_encrypted_backup_is_made_listed_verified_and_restored_with_its_key_and_a_server_starts_on_it()
    {
        var store = await scene.NewStoreAsync();
        var (key, file) = NewKey();
        var folder = scene.Fresh("restored");

        var made = await WalProgram.RunAsync(
            "backup", "--connection", scene.Server.ConnectionString, "--data-dir", scene.Server.DataDirectory, "--dst-local", store.Root, "--archive", scene.Archive, "--encrypt", file);
        var listed = await WalProgram.RunAsync("backups", "--source", store.Root, "--key", file, "--json");
        var verified = await WalProgram.RunAsync("backups", "verify", "latest", "--source", store.Root, "--archive", scene.Archive, "--key", file);
        (made.ExitCode, listed.ExitCode, verified.ExitCode).Should().Be((0, 0, 0), "{0}{1}{2}", made.Error, listed.Error, verified.Error);
        var backup = await new BackupRestore(new EncryptedObjectStore(store, new WalKeyRing(key)), scene.RestoreOptions()).RunAsync(folder, cancellationToken: Token);
        await using var server = await scene.StartAsync(folder);

        JsonDocument.Parse(listed.Output).RootElement.GetProperty("backups")[0].GetProperty("valid").GetBoolean().Should().BeTrue();
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(store.Root, f))
            .Should().BeEquivalentTo([WalArchiveMarker.Key, $"{backup.Id}/backup.json.enc", .. backup.Objects.Select(p => p.Key + ".enc")]);
        backup.Parts.Should().OnlyContain(p => new FileInfo(Path.Combine(store.Root, p.Key + ".enc")).Length == p.StoredBytes);
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
    }

    [Fact]
    public async Task Without_their_keys_backups_show_id_time_and_size_and_nothing_takes_them_for_absent()
    {
        var store = await scene.NewStoreAsync();
        var ((first, firstFile), (second, secondFile)) = (NewKey(), NewKey());
        var old = await AddAsync(store, first, days: 0);
        var late = await AddAsync(store, second, days: 1);
        Task<ProgramResult> Run(params string[] words) => WalProgram.RunAsync([.. words, "--source", store.Root]);

        var none = await Run("backups");
        var rotated = await Run("backups", "--json", "--key", secondFile);
        var both = await Run("backups", "--key", secondFile, "--key", firstFile);
        var restored = await Run("backup-restore", "--to", scene.Fresh("restored"), "--archive", scene.Archive);
        var verified = await Run("backups", "verify", old.Id, "--key", secondFile);
        var cleaned = await Run("backup-cleanup", "--keep-count", "1", "--key", secondFile);

        (none.ExitCode, rotated.ExitCode, both.ExitCode, restored.ExitCode, verified.ExitCode, cleaned.ExitCode)
            .Should().Be((24, 24, 0, 24, 24, 24), "{0}{1}{2}{3}{4}{5}", none.Error, rotated.Error, both.Error, restored.Error, verified.Error, cleaned.Error);
        var bytes = Directory.GetFiles(Path.Combine(store.Root, old.Id)).Sum(f => new FileInfo(f).Length);
        none.Output.Should().StartWith($"{old.Id}: from {old.Started.UtcDateTime:yyyy-MM-ddTHH:mm:ss}.000000Z, {bytes} bytes stored, encrypted with a key that was not given").And.Contain($"\n{late.Id}: from ");
        var report = JsonDocument.Parse(rotated.Output).RootElement;
        report.GetProperty("backups").EnumerateArray().Select(b => b.GetProperty("id").GetString()).Should().Equal(late.Id);
        report.GetProperty("encrypted").EnumerateArray().Select(b => (b.GetProperty("id").GetString(), b.GetProperty("storedBytes").GetInt64())).Should().Equal((old.Id, bytes));
        restored.Error.Should().Contain("no key was given");
        (verified.Error + cleaned.Error).Should().Contain($"is encrypted with the key '{first.Id}', which was not given");
        Directory.GetFiles(store.Root, "backup.json.enc", SearchOption.AllDirectories).Should().HaveCount(2);
    }

    [Fact]
    public async Task A_mark_that_was_made_with_a_key_keeps_a_backup_for_those_who_have_none()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var id = BackupInfo.IdAt(backup.Started.AddDays(1));
        var parts = backup.Parts.Select(p => p with { Key = $"{id}/{Path.GetFileName(p.Key)}" }).ToArray();
        foreach (var (from, to) in backup.Parts.Zip(parts))
            await SmallObject.WriteAsync(store, to.Key, await File.ReadAllBytesAsync(Path.Combine(store.Root, from.Key), Token), Token);
        await SmallObject.WriteAsync(store, $"{id}/backup.json", (backup with { Id = id, Started = backup.Started.AddDays(1), Parts = parts, Manifest = null }).ToJson(), Token);
        await new BackupCatalog(new EncryptedObjectStore(store, new WalKeyRing(WalEncryptionKey.Generate()))).KeepAsync(backup.Id, Token);
        var to2 = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("copy")).FullName);
        var catalog = new BackupCatalog(store);

        var copied = await new RepositoryCopy(scene.ArchiveStore, to2, new RepositoryCopyOptions { Begin = true }, store).RunAsync(cancellationToken: Token);
        var kept = await catalog.CleanupAsync(new BackupRetention { Count = 1 }, cancellationToken: Token);
        await catalog.UnkeepAsync(backup.Id, Token);
        var removed = await catalog.CleanupAsync(new BackupRetention { Count = 1 }, cancellationToken: Token);

        kept.Removed.Should().BeEmpty();
        removed.Removed.Select(b => b.Id).Should().Equal(backup.Id);
        copied.Problems.Should().BeEmpty();
        (await new BackupCatalog(to2).ListAsync(Token)).Select(b => b.IsKept).Should().Equal(true, false);
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("reordered")]
    [InlineData("exchanged")]
    public async Task An_encrypted_part_that_is_not_what_was_written_makes_no_cluster(string how)
    {
        var store = await scene.NewStoreAsync();
        var (key, _) = NewKey();
        var backup = await AddAsync(store, key, days: 0);
        string PathOf(int part) => Path.Combine(store.Root, backup.Parts[part].Key + ".enc");
        var bytes = await File.ReadAllBytesAsync(PathOf(backup.Parts.Count - 1), Token);
        if (how == "cut")
            await File.WriteAllBytesAsync(PathOf(backup.Parts.Count - 1), bytes[..^1000], Token);
        else if (how == "reordered")
            await File.WriteAllBytesAsync(PathOf(backup.Parts.Count - 1), Reordered(bytes), Token);
        else
            File.Copy(PathOf(0), PathOf(backup.Parts.Count - 1), overwrite: true);
        var encrypted = new EncryptedObjectStore(store, new WalKeyRing(key));
        var folder = scene.Fresh("restored");

        var verified = await new BackupCatalog(encrypted).VerifyAsync(backup.Id, cancellationToken: Token);
        var options = scene.RestoreOptions();
        options.BackupId = backup.Id;
        var failure = await FailureAsync<WalBackupException>(() => new BackupRestore(encrypted, options).RunAsync(folder, cancellationToken: Token));

        // An entry that is damaged hides no other backup.
        var later = await AddAsync(store, key, days: 1);
        var entry = Path.Combine(store.Root, later.Id, "backup.json.enc");
        await File.WriteAllBytesAsync(entry, (await File.ReadAllBytesAsync(entry, Token))[..^3], Token);
        var damaged = new List<string?>();
        var listed = await new BackupCatalog(encrypted).ListAsync(d => damaged.Add(d.BackupId), Token);
        (damaged.Single(), listed.Single().Id).Should().Be((later.Id, backup.Id));
        verified.Problems.Should().ContainSingle().Which.Should().Contain(backup.Parts[^1].Key);
        failure.Code.Should().Be("wal.backup.damaged");
        File.Exists(Path.Combine(folder, "global", "pg_control")).Should().BeFalse();
    }

    private static byte[] Reordered(byte[] file)
    {
        const int chunk = 65536 + 16;
        // Behind the header, which names the key by 16 digits.
        const int header = 8 + 16 + 32 + 4;
        byte[] swapped = [.. file];
        file.AsSpan(header, chunk).CopyTo(swapped.AsSpan(header + chunk));
        file.AsSpan(header + chunk, chunk).CopyTo(swapped.AsSpan(header));
        return swapped;
    }

    private (WalEncryptionKey Key, string File) NewKey()
    {
        var (key, file) = (WalEncryptionKey.Generate(), scene.Fresh("key"));
        key.WriteFile(file);
        return (key, file);
    }

    /// <summary>The scene's backup, some days later, encrypted.</summary>
    private async Task<BackupInfo> AddAsync(DirectoryObjectStore store, WalEncryptionKey key, int days)
    {
        var (made, backup) = await scene.MadeAsync();
        var id = BackupInfo.IdAt(backup.Started.AddDays(days));
        var encrypted = new EncryptedObjectStore(store, new WalKeyRing(key));
        var parts = new List<BackupPart>();
        foreach (var part in backup.Parts)
        {
            var moved = $"{id}/{Path.GetFileName(part.Key)}";
            await SmallObject.WriteAsync(encrypted, moved, await File.ReadAllBytesAsync(Path.Combine(made.Root, part.Key), Token), Token);
            parts.Add(part with { Key = moved, StoredBytes = (await encrypted.StatAsync(moved, Token))!.Bytes });
        }

        var copy = backup with { Id = id, Started = backup.Started.AddDays(days), Parts = parts, Manifest = null };
        await SmallObject.WriteAsync(encrypted, $"{id}/backup.json", copy.ToJson(), Token);
        return copy;
    }

    /// <summary>What the scene's archive holds now, encrypted, as somebody without the key sees it.</summary>
    private async Task<DirectoryObjectStore> EncryptedArchiveAsync(WalEncryptionKey key)
    {
        await scene.ArchivedAsync();
        var folder = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("encrypted")).FullName);
        var store = new EncryptedObjectStore(folder, new WalKeyRing(key));
        foreach (var path in Directory.GetFiles(scene.Archive))
        {
            if (Path.GetFileName(path).StartsWith('.'))
                continue;
            await SmallObject.WriteAsync(store, Path.GetFileName(path), await File.ReadAllBytesAsync(path, Token), Token);
        }

        return folder;
    }

    private static async Task<T> FailureAsync<T>(Func<Task> work)
        where T : Exception => (await work.Should().ThrowAsync<T>()).Which;

    private sealed class Reporter(Action<long> told) : IProgress<BackupProgress>
    {
        public void Report(BackupProgress value) => told(value.RawBytes);
    }
}
