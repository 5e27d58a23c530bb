using Microsoft.Extensions.Options;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

[Collection(nameof(BackupCollection))]
public sealed class BackupRetentionTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ten_daily_backups_with_three_days_to_keep_leave_three_and_the_WAL_from_the_oldest_of_them()
    {
        var (store, ids) = await DailyAsync(10);
        var archive = await ArchiveAsync(10);

        var dry = await Catalog(store).CleanupAsync(new BackupRetention { Days = 3, DryRun = true }, archive, Token);
        var before = await Catalog(store).ListAsync(Token);
        var done = await Catalog(store).CleanupAsync(new BackupRetention { Days = 3 }, archive, Token);

        before.Select(b => b.Id).Should().Equal(ids);
        done.Removed.Select(b => b.Id).Should().Equal(dry.Removed.Select(b => b.Id)).And.Equal(ids[..7]);
        done.Kept.Select(b => b.Id).Should().Equal(ids[7..]);
        done.WalKeptFrom.ToString().Should().Be("000000010000000000000007");
        done.RemovedWal.Select(f => f.Name.ToString()).Should().Equal(dry.RemovedWal.Select(f => f.Name.ToString())).And.Equal(Enumerable.Range(0, 7).Select(Segment));
        Directory.GetFiles(archive.Root, "0*").Select(Path.GetFileName).Order().Should().Equal(Enumerable.Range(7, 3).Select(Segment));
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Should().HaveCount(1 + (3 * 2));
    }

    [Theory]
    [InlineData(null, 2, null, 2)]
    [InlineData(1, 4, null, 4)]
    [InlineData(null, null, 2.5, 4)]
    [InlineData(100, null, null, 10)]
    public async Task Rules_keep_by_days_by_count_and_by_window(int? days, int? count, double? window, int left)
    {
        var (store, ids) = await DailyAsync(10);

        var done = await Catalog(store).CleanupAsync(
            new BackupRetention { Days = days, Count = count, Window = window is { } w ? TimeSpan.FromDays(w) : null }, null, Token);

        done.Kept.Select(b => b.Id).Should().Equal(ids[^left..]);
    }

    [Fact]
    public async Task A_mark_keeps_a_backup_and_the_WAL_from_it_on()
    {
        var (store, ids) = await DailyAsync(10);
        var archive = await ArchiveAsync(10);
        await Catalog(store).KeepAsync(ids[2], Token);

        var done = await Catalog(store).CleanupAsync(new BackupRetention { Count = 1 }, archive, Token);

        done.Kept.Select(b => b.Id).Should().Equal(ids[2], ids[9]);
        done.RemovedWal.Select(f => f.Name.ToString()).Should().Equal(Segment(0), Segment(1));
    }

    [Fact]
    public async Task The_last_valid_backup_stays_however_old_it_is_and_whatever_lies_behind_it()
    {
        var (store, ids) = await DailyAsync(3);
        foreach (var damaged in ids[1..])
            File.Delete(Path.Combine(store.Root, damaged, "base.tar.zst"));

        var later = new BackupCatalog(store, timeProvider: new ShiftedClock { Offset = TimeSpan.FromDays(4000) });
        var done = await later.CleanupAsync(new BackupRetention { Days = 1 }, null, Token);
        var refused = async () => await later.DeleteAsync(ids[0], Token);

        done.Kept.Select(b => b.Id).Should().Equal(ids[0]);
        (await refused.Should().ThrowAsync<WalBackupException>()).Which.Message.Should().Contain("is the last valid one");
    }

    [Fact]
    public async Task The_newest_backup_whose_pages_are_whole_stays_behind_any_number_of_damaged_ones()
    {
        var (store, ids) = await DailyAsync(5);
        foreach (var damaged in ids[2..])
            await DailyBackups.RewriteAsync(store, damaged, b => b with { DamagedPages = 37 });

        var done = await Catalog(store).CleanupAsync(new BackupRetention { Count = 1 }, null, Token);

        done.Kept.Select(b => b.Id).Should().Equal(ids[1], ids[4]);
    }

    [Fact]
    public async Task Nothing_is_removed_while_no_backup_is_valid()
    {
        var (store, ids) = await DailyAsync(2);
        var archive = await ArchiveAsync(2);
        foreach (var damaged in ids)
            File.Delete(Path.Combine(store.Root, damaged, "base.tar.zst"));

        var refused = async () => await Catalog(store).CleanupAsync(new BackupRetention { Count = 1 }, archive, Token);

        (await refused.Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.kept");
        Directory.GetFiles(archive.Root, "0*").Should().HaveCount(2);
        (await Catalog(store).ListAsync(Token)).Should().HaveCount(2);
    }

    [Fact]
    public async Task The_archive_of_another_cluster_is_refused_before_anything_is_removed()
    {
        var (store, ids) = await DailyAsync(3);
        var foreign = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("foreign")).FullName);
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(foreign, Token);

        var refused = async () => await Catalog(store).CleanupAsync(new BackupRetention { Count = 1 }, foreign, Token);

        await refused.Should().ThrowAsync<WalArchiveMismatchException>();
        (await Catalog(store).ListAsync(Token)).Select(b => b.Id).Should().Equal(ids);
    }

    [Fact]
    public async Task A_backup_is_deleted_unless_a_mark_keeps_it()
    {
        var (store, ids) = await DailyAsync(2);
        await Catalog(store).KeepAsync(ids[0], Token);

        var kept = async () => await Catalog(store).DeleteAsync(ids[0], Token);
        await kept.Should().ThrowAsync<WalBackupException>();
        await Catalog(store).UnkeepAsync(ids[0], Token);
        await Catalog(store).DeleteAsync(ids[0], Token);

        (await Catalog(store).ListAsync(Token)).Select(b => b.Id).Should().Equal(ids[1]);
        Directory.GetFiles(Path.Combine(store.Root, ids[0])).Should().BeEmpty();
    }

    [Fact]
    public async Task Of_two_removals_that_meet_none_takes_the_last_valid_backup()
    {
        var (store, ids) = await DailyAsync(2);
        var meeting = new HookedStore(store) { Writing = key => key.EndsWith("removing.json", StringComparison.Ordinal) ? Catalog(store).DeleteAsync(ids[0], Token) : Task.CompletedTask };

        var refused = async () => await Catalog(meeting).DeleteAsync(ids[1], Token);

        (await refused.Should().ThrowAsync<WalBackupException>()).Which.Message.Should().Contain("is the last valid one, because the others were removed just now");
        (await Catalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((ids[1], null));
        Directory.GetFiles(Path.Combine(store.Root, ids[1])).Select(Path.GetFileName).Should().BeEquivalentTo("backup.json", "base.tar.zst");
    }

    [Fact]
    public async Task A_backup_that_is_marked_at_the_moment_of_its_removal_stays()
    {
        var (store, ids) = await DailyAsync(2);
        var meeting = new HookedStore(store) { Removing = key => key.EndsWith("backup.json", StringComparison.Ordinal) ? Catalog(store).KeepAsync(ids[0], Token) : Task.CompletedTask };

        var refused = async () => await Catalog(meeting).DeleteAsync(ids[0], Token);

        (await refused.Should().ThrowAsync<WalBackupException>()).Which.Message.Should().Contain("was marked to be kept just now");
        (await Catalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem, b.IsKept)).Should().Equal((ids[0], null, true), (ids[1], null, false));
    }

    [Fact]
    public async Task A_mark_that_comes_behind_a_removal_is_an_error_and_leaves_nothing()
    {
        var (store, ids) = await DailyAsync(2);
        var meeting = new HookedStore(store) { Writing = key => key.EndsWith("keep", StringComparison.Ordinal) ? Catalog(store).DeleteAsync(ids[0], Token) : Task.CompletedTask };

        var refused = async () => await Catalog(meeting).KeepAsync(ids[0], Token);

        (await refused.Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.underway");
        Directory.GetFiles(Path.Combine(store.Root, ids[0])).Should().BeEmpty();
    }

    [Fact]
    public async Task While_a_removal_is_at_work_another_one_removes_no_backup_and_no_WAL_of_the_one_that_may_come_back()
    {
        var (store, ids) = await DailyAsync(3);
        var archive = await ArchiveAsync(3);
        BackupRetentionResult? meanwhile = null;
        var meeting = new HookedStore(store)
        {
            Removed = async key =>
            {
                if (!key.EndsWith("backup.json", StringComparison.Ordinal))
                    return;
                (await Catalog(store).Awaiting(c => c.CleanupAsync(new BackupRetention { Count = 1 }, archive, Token)).Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.underway");
                meanwhile = await Catalog(store).CleanupAsync(new BackupRetention { Count = 2 }, archive, Token);
            },
        };

        await Catalog(meeting).DeleteAsync(ids[0], Token);
        var behind = await Catalog(store).CleanupAsync(new BackupRetention { Count = 1 }, archive, Token);

        meanwhile!.Kept.Select(b => b.Id).Should().Equal(ids[1..]);
        (meanwhile.WalKeptFrom.ToString(), meanwhile.RemovedWal.Count).Should().Be((Segment(0), 0));
        behind.Removed.Select(b => b.Id).Should().Equal(ids[1]);
        (behind.WalKeptFrom.ToString(), behind.RemovedWal.Count).Should().Be((Segment(2), 2));
    }

    [Fact]
    public async Task The_WAL_of_a_backup_that_is_taken_back_while_retention_looks_stays()
    {
        var (store, ids) = await DailyAsync(2);
        var (entry, copy) = (Path.Combine(store.Root, ids[0], "backup.json"), Path.Combine(store.Root, ids[0], "removing.json"));
        File.Move(entry, copy);
        var archive = await ArchiveAsync(2);
        var looked = new HookedStore(archive)
        {
            Reading = _ =>
            {
                if (File.Exists(copy))
                    File.Move(copy, entry);
            },
        };

        var done = await Catalog(store).CleanupAsync(new BackupRetention { Count = 5 }, looked, Token);

        (done.WalKeptFrom.ToString(), done.RemovedWal.Count).Should().Be((Segment(0), 0));
        (await Catalog(store).ListAsync(Token)).Select(b => b.Id).Should().Equal(ids);
    }

    [Fact]
    public async Task A_removal_that_was_taken_for_killed_removes_nothing_of_a_backup_that_was_taken_back()
    {
        var (store, ids) = await DailyAsync(2);
        var folder = Path.Combine(store.Root, ids[0]);
        var looks = 0;
        // Behind the second look, and before the first part: as if it had stood still for long.
        var slow = new HookedStore(store)
        {
            Listed = () =>
            {
                if (File.Exists(Path.Combine(folder, "removing.json")) && looks++ == 0)
                    File.Move(Path.Combine(folder, "removing.json"), Path.Combine(folder, "backup.json"));
            },
        };

        var refused = async () => await Catalog(slow).DeleteAsync(ids[0], Token);

        (await refused.Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.underway");
        (await Catalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((ids[0], null), (ids[1], null));
    }

    [Fact]
    public async Task A_backup_that_another_removal_is_at_work_on_is_left_to_it()
    {
        var (store, ids) = await DailyAsync(2);
        HookedStore? other = null;
        other = new HookedStore(store) { Removing = _ => Task.FromResult(other!.IsDead = true) };
        var meeting = new HookedStore(store)
        {
            Writing = async key =>
            {
                if (key.EndsWith("removing.json", StringComparison.Ordinal))
                    await Catalog(other).Awaiting(c => c.DeleteAsync(ids[0], Token)).Should().ThrowAsync<IOException>();
            },
        };

        var refused = async () => await Catalog(meeting).DeleteAsync(ids[0], Token);

        (await refused.Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.underway");
        Directory.GetFiles(Path.Combine(store.Root, ids[0])).Select(Path.GetFileName).Should().BeEquivalentTo("backup.json", "base.tar.zst", "removing.json");
    }

    [Fact]
    public async Task Rules_that_keep_nothing_or_nonsense_are_refused()
    {
        var (store, _) = await DailyAsync(1);

        var none = async () => await Catalog(store).CleanupAsync(new BackupRetention(), null, Token);
        var zero = async () => await Catalog(store).CleanupAsync(new BackupRetention { Days = 0, Count = 0 }, null, Token);

        (await none.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().Equal("One of Days, Count and Window must be given.");
        (await zero.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().Equal("Days '0' must be at least '1'.", "Count '0' must be at least '1'.");
    }

    [Fact]
    public async Task The_program_tells_what_it_would_remove_and_removes_it()
    {
        var (store, ids) = await DailyAsync(3);
        var archive = await ArchiveAsync(3);
        string[] words = ["backup-cleanup", "--backup-dir", store.Root, "--archive", archive.Root, "--keep-count", "1"];

        var dry = await WalProgram.RunAsync([.. words, "--dry-run"]);
        var done = await WalProgram.RunAsync(words);

        (dry.ExitCode, done.ExitCode).Should().Be((0, 0), "{0}{1}", dry.Error, done.Error);
        var lines = dry.Output.TrimEnd().Split('\n');
        lines[..2].Should().OnlyContain(l => l.StartsWith("would remove 2026", StringComparison.Ordinal));
        lines[2..].Should().Equal("would remove 2 WAL files before 000000010000000000000002", "kept 1 backups");
        done.Output.Should().Contain("removed 2 WAL files before");
        (await Catalog(store).ListAsync(Token)).Select(b => b.Id).Should().Equal(ids[2]);
    }

    [Fact]
    public async Task What_is_recoverable_begins_with_a_backup_and_ends_before_the_first_missing_segment()
    {
        var (store, backup) = await scene.MadeAsync();
        await scene.Server.ExecuteAsync("CREATE TABLE mark AS SELECT 1 AS one", Token);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var whole = await Catalog(store).GetRecoverableAsync(scene.ArchiveStore, Token);
        var broken = await scene.NewStoreAsync();
        foreach (var file in Directory.GetFiles(scene.Archive, "*.zst").Where(f => !Path.GetFileName(f).StartsWith(backup.WalTo.Next(WalSegmentSize.FromBytes(1 << 20)).ToString(), StringComparison.Ordinal)))
            File.Copy(file, Path.Combine(broken.Root, Path.GetFileName(file)));
        var upToTheGap = await Catalog(store).GetRecoverableAsync(broken, Token);
        File.Delete(Path.Combine(broken.Root, backup.WalTo + ".zst"));
        var useless = await Catalog(store).GetRecoverableAsync(broken, Token);
        await scene.Server.ExecuteAsync("DROP TABLE mark", Token);

        var window = await new WalRepository(scene.ArchiveStore).GetRecoveryWindowAsync(Token);
        whole.Should().ContainSingle().Which.Should().Match<RecoverableRange>(r => r.BackupId == backup.Id && r.From == backup.Stopped && r.Timeline == 1 && r.To > r.From);
        whole[0].To.Should().BeOnOrBefore(window.LatestCommit!.Value);
        upToTheGap.Should().ContainSingle().Which.To.Should().BeBefore(whole[0].To);
        useless.Should().BeEmpty();
    }

    [Fact]
    public async Task Show_tells_the_backups_and_what_they_reach()
    {
        var (store, backup) = await scene.MadeAsync();

        var text = await WalProgram.RunAsync("show", "--archive", scene.Archive, "--source", store.Root, "--no-restore-points");
        var json = await WalProgram.RunAsync("show", "--archive", scene.Archive, "--source", store.Root, "--no-restore-points", "--json");
        var without = await WalProgram.RunAsync("show", "--archive", scene.Archive, "--no-restore-points");

        text.Output.Should().Contain($"\nbackup {backup.Id}: ").And.Contain($", from backup {backup.Id}\n");
        using var document = System.Text.Json.JsonDocument.Parse(json.Output);
        document.RootElement.GetProperty("recoverable")[0].GetProperty("backup").GetString().Should().Be(backup.Id);
        document.RootElement.GetProperty("backups")[0].GetProperty("walFrom").GetString().Should().Be(backup.WalFrom.ToString());
        without.Output.Should().Contain("\nrecoverable: only with a base backup");
    }

    private static BackupCatalog Catalog(IObjectStore store) => DailyBackups.Catalog(store);

    private static string Segment(int number) => DailyBackups.Segment(number);

    private Task<(DirectoryObjectStore Store, string[] Ids)> DailyAsync(int count) => DailyBackups.MakeAsync(scene, count);

    private Task<DirectoryObjectStore> ArchiveAsync(int count) => DailyBackups.ArchiveAsync(scene, count);
}
