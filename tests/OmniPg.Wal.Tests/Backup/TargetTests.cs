using System.Globalization;
using NpgsqlTypes;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>A target that is not to be had is refused before anything is written, and the backup is the newest from which the other ones are.</summary>
[Collection(nameof(BackupCollection))]
public sealed class TargetTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("time", "the last transaction in the WAL from")]
    [InlineData("name", "there is no restore point 'nowhere' in the WAL from")]
    [InlineData("xid", "there is no end of transaction '4000000000' in the WAL from")]
    [InlineData("lsn", "the last record of the WAL from")]
    [InlineData("timeline", "the archive has no readable history of timeline '7'")]
    [InlineData("gap", "without which the backup")]
    public async Task An_impossible_target_is_refused_with_the_reason_before_anything_is_written(string kind, string reason)
    {
        var (store, backup) = await scene.MadeAsync();
        if (kind == "time")
        {
            await scene.Server.ExecuteAsync("UPDATE kept SET filler = filler WHERE id = 1", Token);
            await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
            await scene.ArchivedAsync();
        }

        var archive = await scene.PlainArchiveAsync(kind == "gap" ? backup.WalFrom.ToString() : null);
        var options = scene.RestoreOptions();
        options.Target = kind switch
        {
            "time" => RecoveryTarget.Time(DateTimeOffset.UtcNow.AddHours(1)),
            "name" => RecoveryTarget.Name("nowhere"),
            "xid" => RecoveryTarget.Xid(4_000_000_000),
            "lsn" => RecoveryTarget.Lsn(new NpgsqlLogSequenceNumber(0xFF_0000_0000)),
            "timeline" => RecoveryTarget.Latest with { Timeline = 7 },
            _ => RecoveryTarget.Latest,
        };
        var folder = scene.Fresh("restored");

        var failure = (await new BackupRestore(store, options, archive).Awaiting(r => r.RunAsync(folder, cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Code.Should().Be("wal.backup.unreachable");
        failure.Message.Should().Contain(reason);
        Directory.Exists(folder).Should().BeFalse();
    }

    [Fact]
    public async Task A_restore_point_that_lies_before_the_backup_is_consistent_is_reached_from_an_older_one_only()
    {
        var store = await scene.NewStoreAsync();
        var old = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.NextSecondAsync(old);
        // Between start and stop of the backup: within its WAL, and too early for it.
        var marked = false;
        var late = (await scene.BackupTo(store).RunAsync(
            new During(() => marked = scene.Server.ScalarAsync<bool>("SELECT pg_create_restore_point('halfway') IS NOT NULL", Token).GetAwaiter().GetResult()), Token)).Backup;
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var archive = await scene.PlainArchiveAsync();
        var options = scene.RestoreOptions();
        options.Target = RecoveryTarget.Name("halfway");

        var taken = await new BackupRestore(store, options, archive).RunAsync(scene.Fresh("restored"), cancellationToken: Token);
        options.BackupId = late.Id;
        var failure = (await new BackupRestore(store, options, archive).Awaiting(r => r.RunAsync(scene.Fresh("restored"), cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

        (marked, taken.Id).Should().Be((true, old.Id));
        failure.Message.Should().Contain($"before the backup '{late.Id}' is consistent at '{late.StopLsn}'");
    }

    [Fact]
    public async Task Each_kind_of_target_that_the_archive_holds_is_taken_and_the_server_ends_there()
    {
        var (store, backup) = await scene.MadeAsync();
        await scene.Server.ExecuteAsync("CREATE TABLE stages AS SELECT 1 AS stage", Token);
        var time = await scene.Server.ScalarAsync<DateTime>("SELECT clock_timestamp()", Token);
        var xid = uint.Parse((await scene.Server.ScalarAsync<string>("WITH i AS (INSERT INTO stages VALUES (2) RETURNING 1) SELECT pg_current_xact_id()::text FROM i", Token))!, CultureInfo.InvariantCulture);
        await scene.Server.ExecuteAsync("SELECT pg_create_restore_point('stage 2')", Token);
        await scene.Server.ExecuteAsync("INSERT INTO stages VALUES (3)", Token);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var archive = await scene.PlainArchiveAsync();
        var scratch = Directory.CreateDirectory(scene.Fresh("s")).FullName;
        ServerAccount.Own(scratch);
        var sql = scene.Fresh("count") + ".sql";
        var seen = new List<string>();

        foreach (var (target, stages) in new[] { (RecoveryTarget.Time(time), 1), (RecoveryTarget.Xid(xid), 2), (RecoveryTarget.Xid(xid, inclusive: false), 1), (RecoveryTarget.Name("stage 2"), 2), (RecoveryTarget.Latest, 3) })
        {
            await File.WriteAllTextAsync(sql, $"SELECT count(*) FROM stages HAVING count(*) <> {stages}", Token);
            var options = new RestoreDrillOptions { Target = target, RestoreCommand = $"cp '{archive.Root}/%f' '%p'", ScratchDirectory = scratch, BinDirectory = scene.Server.BinDirectory, Checks = RestoreDrillChecks.None, SqlFiles = [sql] };
            var result = await new RestoreDrill(store, archive, options).RunAsync(cancellationToken: Token);
            seen.Add($"{target}: {result.Verdict} {result.Reason}{string.Concat(result.Findings)}");
            result.Backup!.Id.Should().Be(backup.Id);
        }

        await scene.Server.ExecuteAsync("DROP TABLE stages", Token);
        seen.Should().OnlyContain(s => s.Contains(": Clean ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_newest_backup_that_the_newest_timeline_leads_on_from_is_taken_and_another_one_is_refused()
    {
        var store = await scene.NewStoreAsync();
        var old = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var folder = scene.Fresh("promoted");
        var archive = await scene.PlainArchiveAsync();
        var options = scene.RestoreOptions();
        options.RestoreCommand = $"cp '{archive.Root}/%f' '%p'";
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        await using (var promoted = await scene.StartAsync(folder))
        {
            await promoted.ExecuteAsync("SELECT pg_switch_wal()", Token);
            foreach (var file in Directory.GetFiles(Path.Combine(folder, "pg_wal"), "00000002*").Order(StringComparer.Ordinal).Take(2))
                File.Copy(file, Path.Combine(archive.Root, Path.GetFileName(file)));
        }

        // The old primary goes on as if nothing had happened; its later backup lies on a branch that the newest timeline left.
        await scene.NextSecondAsync(old);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        var late = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;

        var taken = await new BackupRestore(store, scene.RestoreOptions(), archive).RunAsync(scene.Fresh("restored"), cancellationToken: Token);
        options = scene.RestoreOptions();
        options.BackupId = late.Id;
        var failure = (await new BackupRestore(store, options, archive).Awaiting(r => r.RunAsync(scene.Fresh("restored"), cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

        taken.Id.Should().Be(old.Id);
        failure.Message.Should().Contain("timeline '2' left timeline '1' at").And.Contain(late.Id);
    }

    [Fact]
    public async Task One_entry_that_cannot_be_read_hides_no_other_and_ends_the_listing_with_23()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        Directory.CreateDirectory(Path.Combine(store.Root, "20200101T000000Z"));
        await File.WriteAllTextAsync(Path.Combine(store.Root, "20200101T000000Z", "backup.json"), "{", Token);

        var listed = await WalProgram.RunAsync("backups", "--source", store.Root);
        var shown = await WalProgram.RunAsync("show", "--archive", scene.Archive, "--source", store.Root, "--no-restore-points");

        listed.ExitCode.Should().Be(23);
        listed.Output.Should().StartWith(backup.Id).And.EndWith("1 entries cannot be read\n");
        listed.Error.Should().Contain("20200101T000000Z");
        (shown.ExitCode, shown.Output.Contains($"from backup {backup.Id}", StringComparison.Ordinal)).Should().Be((0, true), shown.Error);
        // What removes stays strict.
        await new BackupCatalog(store).Awaiting(c => c.CleanupAsync(new BackupRetention { Count = 1 }, cancellationToken: Token)).Should().ThrowAsync<WalBackupException>();
    }

    [Fact]
    public async Task A_backup_is_verified_without_being_restored()
    {
        var (store, backup) = await scene.CopyOfMadeAsync();
        var sound = await WalProgram.RunAsync("backups", "verify", backup.Id, "--source", store.Root, "--archive", scene.Archive);
        var archive = await scene.PlainArchiveAsync(without: backup.WalFrom.ToString());
        var part = backup.Parts[^1].Key;
        await using (var file = new FileStream(Path.Combine(store.Root, part), FileMode.Open))
        {
            file.Position = file.Length / 2;
            var value = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(value ^ 1));
        }

        var damaged = await WalProgram.RunAsync("backups", "verify", "latest", "--source", store.Root, "--archive", archive.Root);

        sound.ExitCode.Should().Be(0, sound.Error);
        sound.Output.Should().Be($"{backup.Id}: {backup.Parts.Count} parts are what was backed up, and the WAL that it needs is there\n");
        damaged.ExitCode.Should().Be(23, damaged.Error);
        damaged.Output.Split('\n').Should().HaveCount(3).And.Contain(l => l.Contains(part, StringComparison.Ordinal)).And.Contain(l => l.Contains($"'{backup.WalFrom}'", StringComparison.Ordinal));
    }

    private sealed class During(Action act) : IProgress<BackupProgress>
    {
        private Action? _act = act;

        public void Report(BackupProgress value) => Interlocked.Exchange(ref _act, null)?.Invoke();
    }
}
