using System.Security.Cryptography;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

[Collection(nameof(BackupCollection))]
public sealed class BaseBackupTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_backup_is_restored_with_every_row_of_every_tablespace_and_what_was_written_since()
    {
        var store = await scene.NewStoreAsync();
        var folder = scene.Fresh("restored");

        var backup = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.Server.ExecuteAsync("CREATE TABLE later AS SELECT generate_series(1, 77) i", Token);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var restored = await new BackupRestore(store, scene.RestoreOptions()).RunAsync(folder, cancellationToken: Token);
        await using var server = await scene.StartAsync(folder);

        restored.Id.Should().Be(backup.Id);
        var rows = await server.ScalarAsync<string>(
            "SELECT (SELECT count(*) FROM kept WHERE length(filler) = 500) || ' ' || (SELECT count(*) FROM far WHERE filler = md5(id::text)) || ' ' || (SELECT count(*) FROM later) || ' ' || (SELECT count(*) FROM passing)", Token);
        rows.Should().Be("1000 1000 77 0");
    }

    [Fact]
    public async Task A_restored_backup_is_accepted_by_pg_verifybackup()
    {
        var (store, _) = await scene.MadeAsync();
        var folder = scene.Fresh("restored");

        await new BackupRestore(store, scene.RestoreOptions()).RunAsync(folder, cancellationToken: Token);
        var verified = await scene.RunAsync("pg_verifybackup", "--no-parse-wal", folder);

        verified.ExitCode.Should().Be(0, verified.Error);
        verified.Output.Should().Contain("backup successfully verified");
    }

    [Fact]
    public async Task A_backup_without_an_archive_brings_its_own_WAL_and_restores_by_itself()
    {
        var store = await scene.NewStoreAsync();
        var folder = scene.Fresh("restored");
        var options = scene.RestoreOptions();
        options.RestoreCommand = null;

        var backup = (await scene.BackupTo(store, withArchive: false).RunAsync(cancellationToken: Token)).Backup;
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        await using var server = await scene.StartAsync(folder);

        backup.IncludesWal.Should().BeTrue();
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
    }

    [Fact]
    public async Task A_backup_that_brings_its_own_WAL_is_restored_to_its_own_end_without_an_archive()
    {
        var store = await scene.NewStoreAsync();
        var folder = scene.Fresh("restored");
        var options = scene.RestoreOptions();
        (options.RestoreCommand, options.Target) = (null, RecoveryTarget.Immediate);
        await scene.BackupTo(store, withArchive: false).RunAsync(cancellationToken: Token);

        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        await using var server = await scene.StartAsync(folder);

        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
        server.ReadLog().Should().Contain("recovery stopping after reaching consistency");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Digests_are_what_the_stock_programs_compute_of_the_stored_objects(bool isEncrypted)
    {
        var plain = await scene.NewStoreAsync();
        IObjectStore store = isEncrypted ? new EncryptedObjectStore(plain, new WalKeyRing(WalEncryptionKey.Generate())) : plain;
        var options = new BaseBackupOptions { Digests = [HashAlgorithmName.SHA256, HashAlgorithmName.MD5] };

        var backup = (await scene.BackupTo(store, options: options).RunAsync(cancellationToken: Token)).Backup;
        var folder = Path.Combine(plain.Root, backup.Id);
        ServerAccount.Own(plain.Root);
        var sha256 = await ServerProgram.RunAsync("/bin/sh", ["-c", $"cd '{folder}' && sha256sum -c SHA256SUMS"], null, Token);
        var md5 = await ServerProgram.RunAsync("/bin/sh", ["-c", $"cd '{folder}' && md5sum -c MD5SUMS"], null, Token);
        var verified = await new BackupCatalog(store).VerifyAsync(cancellationToken: Token);

        var extension = isEncrypted ? ".enc" : "";
        string[] names = [.. backup.Parts.Concat(backup.Manifest is null ? [] : [backup.Manifest]).Select(p => Path.GetFileName(p.Key) + extension)];
        (sha256.ExitCode, md5.ExitCode).Should().Be((0, 0), sha256.Error + md5.Error);
        sha256.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().Equal(names.Select(n => $"{n}: OK"));
        Directory.GetFiles(folder).Select(Path.GetFileName).Should().BeEquivalentTo([.. names, "SHA256SUMS", "MD5SUMS", "backup.json" + extension]);
        verified.Problems.Should().BeEmpty();
        await File.AppendAllTextAsync(Path.Combine(folder, "MD5SUMS"), "x", Token);
        (await new BackupCatalog(store).VerifyAsync(cancellationToken: Token)).Problems.Should().ContainSingle().Which.Should().StartWith($"'{backup.Id}/MD5SUMS'");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_meta_file_has_the_lines_that_OmniPITRs_programs_read_and_goes_with_its_backup(bool isEncrypted)
    {
        var plain = await scene.NewStoreAsync();
        IObjectStore store = isEncrypted ? new EncryptedObjectStore(plain, new WalKeyRing(WalEncryptionKey.Generate())) : plain;

        var backup = (await scene.BackupTo(store, options: new BaseBackupOptions { MetaFile = true }).RunAsync(cancellationToken: Token)).Backup;
        var path = Path.Combine(plain.Root, backup.Id, "meta");
        var lines = await File.ReadAllLinesAsync(path, Token);
        var verified = await new BackupCatalog(store).VerifyAsync(cancellationToken: Token);
        await File.AppendAllTextAsync(path, "x", Token);
        var changed = await new BackupCatalog(store).VerifyAsync(backup.Id, cancellationToken: Token);
        await scene.NextSecondAsync(backup);
        await scene.BackupTo(store).RunAsync(cancellationToken: Token);
        await new BackupCatalog(store).DeleteAsync(backup.Id, Token);

        var offset = TimeZoneInfo.Local.GetUtcOffset(backup.Started);
        lines.Should().Equal(
            $"Min-Xlog: {backup.WalFrom}", $"Started-epoch: {backup.Started.ToUnixTimeSeconds()}", $"Timezone: {(offset < TimeSpan.Zero ? '-' : '+')}{offset:hhmm}", $"Hostname: {Environment.MachineName}",
            $"Stop-Xlog: {backup.WalTo}", $"System-Identifier: {backup.SystemIdentifier}", $"Pg-Version: {backup.PgVersion}", "Format: omnipg-1");
        verified.Problems.Should().BeEmpty();
        changed.Problems.Should().ContainSingle().Which.Should().StartWith($"'{backup.Id}/meta'");
        Directory.GetFiles(Path.Combine(plain.Root, backup.Id)).Should().BeEmpty();
    }

    [Theory]
    [InlineData(345, "+0545")]
    [InlineData(-210, "-0330")]
    public async Task The_meta_file_tells_an_odd_offset_from_UTC(int minutes, string told)
    {
        var (_, backup) = await scene.MadeAsync();

        backup.ToMeta("db", TimeSpan.FromMinutes(minutes)).Should().Contain($"\nTimezone: {told}\nHostname: db\n");
    }

    [Fact]
    public async Task What_no_restored_server_may_have_is_left_out()
    {
        var (store, _) = await scene.MadeAsync();
        var folder = scene.Fresh("restored");
        var unlogged = await scene.Server.ScalarAsync<string>("SELECT pg_relation_filepath('passing')", Token);

        await new BackupRestore(store, scene.RestoreOptions()).RunAsync(folder, cancellationToken: Token);

        string[] absent = ["postmaster.pid", "postmaster.opts", "tablespace_map", unlogged];
        absent.Where(f => File.Exists(Path.Combine(folder, f))).Should().BeEmpty();
        File.Exists(Path.Combine(folder, unlogged + "_init")).Should().BeTrue();
        string[] empty = ["pg_wal/archive_status", "pg_replslot", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans", "pg_stat_tmp"];
        empty.Should().OnlyContain(f => Directory.Exists(Path.Combine(folder, f)) && !Directory.EnumerateFileSystemEntries(Path.Combine(folder, f)).Any());
        Directory.GetFiles(Path.Combine(folder, "pg_wal")).Should().BeEmpty();
    }

    [Fact]
    public async Task Recovery_ends_at_a_moment_and_at_a_name()
    {
        var store = await scene.NewStoreAsync();
        await scene.BackupTo(store).RunAsync(cancellationToken: Token);
        await scene.Server.ExecuteAsync("CREATE TABLE steps (n int)", Token);
        await scene.Server.ExecuteAsync("INSERT INTO steps VALUES (1)", Token);
        await scene.Server.ExecuteAsync("SELECT pg_create_restore_point('it''s \\ one')", Token);
        var moment = await scene.Server.ScalarAsync<DateTime>("SELECT clock_timestamp() FROM pg_sleep(0.01)", Token);
        await scene.Server.ExecuteAsync("INSERT INTO steps VALUES (2)", Token);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();

        foreach (var target in (RecoveryTarget[])[RecoveryTarget.Time(moment), RecoveryTarget.Name("it's \\ one")])
        {
            var folder = scene.Fresh("restored");
            var options = scene.RestoreOptions();
            options.Target = target;
            await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
            await using var server = await scene.StartAsync(folder);
            (await server.ScalarAsync<int>("SELECT max(n) FROM steps", Token)).Should().Be(1, target.ToString());
        }

        await scene.Server.ExecuteAsync("DROP TABLE steps", Token);
    }

    [Fact]
    public async Task A_backup_is_kept_and_released()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var catalog = new BackupCatalog(store);
        var id = backup.Id;

        await catalog.KeepAsync(id, Token);
        var kept = (await catalog.GetAsync(id, Token)).IsKept;
        await catalog.UnkeepAsync(id, Token);

        kept.Should().BeTrue();
        (await catalog.GetAsync(id, Token)).IsKept.Should().BeFalse();
    }
}
