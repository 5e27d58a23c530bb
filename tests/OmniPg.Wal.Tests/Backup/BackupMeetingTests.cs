using Microsoft.Extensions.Logging;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Removals, copies and new backups that meet in one store, and removals that break off.</summary>
[Collection(nameof(BackupCollection))]
public sealed class BackupMeetingTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_copy_leaves_the_entry_to_a_removal_that_takes_the_backup_back()
    {
        var (from, backup) = await scene.MadeAsync();
        var (to, entry, copy) = await CopiedAsync(backup);
        // The removal's first step lies between the copy's look and its writing, its last one behind it.
        var meeting = new HookedStore(to)
        {
            Reading = key =>
            {
                if (key == $"{backup.Id}/backup.json" && !File.Exists(copy))
                    File.Move(entry, copy);
            },
        };

        var result = await new RepositoryCopy(scene.ArchiveStore, meeting, new RepositoryCopyOptions { BackupId = backup.Id }, from).RunAsync(cancellationToken: Token);
        File.Delete(copy);

        result.Problems.Should().ContainSingle().Which.Should().Contain(backup.Id).And.Contain("it was being removed");
        (await new BackupCatalog(to).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((backup.Id, null));
    }

    [Fact]
    public async Task A_copy_whose_parts_a_removal_takes_away_behind_its_entry_is_none()
    {
        var (from, backup) = await scene.MadeAsync();
        var (to, entry, _) = await CopiedAsync(backup);
        File.Delete(entry);
        var meeting = new HookedStore(to)
        {
            Written = key =>
            {
                if (key == $"{backup.Id}/backup.json")
                    File.Delete(Path.Combine(to.Root, backup.Parts[0].Key));
                return Task.CompletedTask;
            },
        };

        var result = await new RepositoryCopy(scene.ArchiveStore, meeting, new RepositoryCopyOptions { BackupId = backup.Id }, from).RunAsync(cancellationToken: Token);

        result.Backups.Should().BeEmpty();
        result.Problems.Should().ContainSingle().Which.Should().Contain($"'{backup.Parts[0].Key}' is not there any more");
        (await new BackupCatalog(to).ListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task What_a_killed_removal_has_left_beside_an_entry_is_no_loss_and_without_the_entry_the_copy_says_what_ends_it()
    {
        var (from, backup) = await scene.MadeAsync();
        var (to, entry, copy) = await CopiedAsync(backup);
        File.Copy(entry, copy);

        var beside = await new RepositoryCopy(scene.ArchiveStore, to, new RepositoryCopyOptions { BackupId = backup.Id }, from).RunAsync(cancellationToken: Token);
        File.Delete(entry);
        var without = await new RepositoryCopy(scene.ArchiveStore, to, new RepositoryCopyOptions { BackupId = backup.Id }, from).RunAsync(cancellationToken: Token);

        (beside.Problems.Count, beside.Backups.Count).Should().Be((0, 1));
        without.Problems.Should().ContainSingle().Which.Should().Contain("it is being removed from").And.Contain("'omnipg-wal backup-cleanup' there ends that");
        File.Exists(entry).Should().BeFalse();
    }

    [Fact]
    public async Task A_copy_whose_WAL_is_removed_behind_its_entry_is_none_whatever_marks_it_has()
    {
        var (from, backup) = await scene.CopyOfMadeAsync();
        await new BackupCatalog(from).KeepAsync(backup.Id, Token);
        var to = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("copy")).FullName);
        var meeting = new HookedStore(to)
        {
            Written = key =>
            {
                if (key == $"{backup.Id}/backup.json")
                    File.Delete(Path.Combine(to.Root, backup.WalFrom + ".zst"));
                return Task.CompletedTask;
            },
        };

        var result = await new RepositoryCopy(scene.ArchiveStore, meeting, new RepositoryCopyOptions { BackupId = backup.Id, Begin = true }, from).RunAsync(cancellationToken: Token);

        result.Backups.Should().BeEmpty();
        result.Problems.Should().ContainSingle().Which.Should().Contain($"WAL file '{backup.WalFrom}'");
        // It was the last valid one there, and stays as what may become whole with the next copy; its mark is not what keeps it.
        (await new BackupCatalog(to).ListAsync(Token)).Select(b => b.IsKept).Should().Equal(false);
        (await new RepositoryCopy(scene.ArchiveStore, to, new RepositoryCopyOptions { BackupId = backup.Id }, from).RunAsync(cancellationToken: Token)).Backups.Should().HaveCount(1);
        (await new BackupCatalog(to).VerifyAsync(backup.Id, to, cancellationToken: Token)).IsGood.Should().BeTrue();
    }

    [Fact]
    public async Task A_backup_whose_WAL_is_removed_behind_its_entry_is_none()
    {
        var (store, _) = await scene.CopyOfMadeAsync();
        string? away = null;
        var meeting = new HookedStore(store)
        {
            Written = async key =>
            {
                if (!key.EndsWith("/backup.json", StringComparison.Ordinal) || away is not null)
                    return;
                away = Path.Combine(scene.Archive, (await new BackupCatalog(store).GetAsync(key.Split('/')[0], Token)).WalFrom + ".zst");
                File.Move(away, away + ".away");
            },
        };
        try
        {
            var failure = (await scene.BackupTo(meeting).Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

            failure.Code.Should().Be("wal.backup.wal-missing");
        }
        finally
        {
            File.Move(away + ".away", away!);
        }

        (await new BackupCatalog(store).ListAsync(Token)).Should().HaveCount(1);
        Directory.GetFiles(store.Root, "removing.*", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Fact]
    public async Task WAL_of_a_backup_that_is_published_during_a_cleanup_stays()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 3);
        var archive = await DailyBackups.ArchiveAsync(scene, 3);
        var added = false;
        // Behind the list of what goes, before the first file.
        var meeting = new HookedStore(archive)
        {
            Listed = () =>
            {
                if (!added)
                    DailyBackups.AddAsync(scene, store, 1, DailyBackups.Segment(1)).GetAwaiter().GetResult();
                added = true;
            },
        };

        var done = await DailyBackups.Catalog(store).CleanupAsync(new BackupRetention { Count = 1 }, meeting, Token);

        done.Kept.Select(b => b.Id).Should().Equal(ids[2]);
        done.RemovedWal.Select(f => f.Name.ToString()).Should().Equal(DailyBackups.Segment(0));
        done.WalKeptFrom.ToString().Should().Be(DailyBackups.Segment(1));
        Directory.Exists(Path.Combine(store.Root, "removing-wal")).Should().BeTrue();
        Directory.GetFiles(Path.Combine(store.Root, "removing-wal")).Should().BeEmpty();
    }

    [Fact]
    public async Task A_copy_that_needs_WAL_which_a_cleanup_is_about_to_remove_is_none()
    {
        var (from, backup) = await scene.MadeAsync();
        var (to, entry, _) = await CopiedAsync(backup);
        File.Delete(entry);
        var before = backup.WalFrom.Next(WalSegmentSize.FromBytes(1 << 20));
        var meeting = new HookedStore(to)
        {
            Written = async key =>
            {
                if (key == $"{backup.Id}/backup.json")
                    await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(to.Root, "removing-wal")).FullName, $"1-{before}"), "", Token);
            },
        };

        var result = await new RepositoryCopy(scene.ArchiveStore, meeting, new RepositoryCopyOptions { BackupId = backup.Id }, from).RunAsync(cancellationToken: Token);

        result.Problems.Should().ContainSingle().Which.Should().Contain($"WAL before '{before}' is being removed");
        result.Backups.Should().BeEmpty();
    }

    [Fact]
    public async Task A_backup_whose_entry_is_there_although_its_writing_failed_is_made()
    {
        var store = await scene.NewStoreAsync();
        var lost = new HookedStore(store)
        {
            Written = key => key.EndsWith("/backup.json", StringComparison.Ordinal) ? throw new IOException("The answer was lost.") : Task.CompletedTask,
        };

        var made = (await scene.BackupTo(lost).RunAsync(cancellationToken: Token)).Backup;

        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((made.Id, null));
    }

    [Fact]
    public async Task A_backup_whose_ground_cannot_be_looked_at_behind_its_entry_is_made_and_that_is_told()
    {
        var store = await scene.NewStoreAsync();
        using var logs = new FakeLoggerFactory();
        var isPublished = false;
        var away = new HookedStore(store)
        {
            Written = key => Task.FromResult(isPublished |= key.EndsWith("/backup.json", StringComparison.Ordinal)),
            Stating = _ =>
            {
                if (isPublished)
                    throw new IOException("It went away.");
            },
        };

        var made = (await new BaseBackup(scene.Server.DataSource, away, scene.ArchiveStore, null, logs).RunAsync(cancellationToken: Token)).Backup;

        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((made.Id, null));
        logs.Lines.Should().ContainSingle(l => l.Level == LogLevel.Warning).Which.Message.Should().Contain(made.Id).And.Contain("It went away.");
    }

    [Fact]
    public async Task A_removal_that_fails_half_way_is_ended_by_the_next_one_at_once()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        var faulty = new HookedStore(store) { Removing = key => key.EndsWith("base.tar.zst", StringComparison.Ordinal) ? throw new IOException("Slow down.") : Task.CompletedTask };

        await DailyBackups.Catalog(faulty).Awaiting(c => c.DeleteAsync(ids[0], Token)).Should().ThrowAsync<IOException>();
        await DailyBackups.Catalog(store).DeleteAsync(ids[0], Token);

        Directory.GetFiles(Path.Combine(store.Root, ids[0])).Should().BeEmpty();
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => b.Id).Should().Equal(ids[1]);
    }

    [Fact]
    public async Task A_removal_that_is_cancelled_behind_its_first_step_is_ended()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var stopping = new HookedStore(store) { Removed = key => key.EndsWith("backup.json", StringComparison.Ordinal) ? stop.CancelAsync() : Task.CompletedTask };

        await DailyBackups.Catalog(stopping).DeleteAsync(ids[0], stop.Token);

        stop.IsCancellationRequested.Should().BeTrue();
        Directory.GetFiles(Path.Combine(store.Root, ids[0])).Should().BeEmpty();
    }

    [Fact]
    public async Task A_take_back_that_fails_tells_where_the_entry_lies_and_not_instead_of_what_failed_first()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        using var logs = new FakeLoggerFactory();
        HookedStore? dying = null;
        dying = new HookedStore(store) { Removed = _ => Task.FromResult(dying!.IsDead = true) };

        await DailyBackups.Catalog(dying, logs).Awaiting(c => c.DeleteAsync(ids[0], Token)).Should().ThrowExactlyAsync<IOException>();
        File.Delete(Path.Combine(store.Root, ids[1], "base.tar.zst"));
        var latest = (await DailyBackups.Catalog(store).Awaiting(c => c.GetAsync(null, Token)).Should().ThrowAsync<WalBackupException>()).Which;

        logs.Lines.Should().ContainSingle(l => l.Level == LogLevel.Error).Which.Message.Should().Contain(ids[0]).And.Contain($"{ids[0]}/removing.json");
        (latest.Code, latest.BackupId).Should().Be(("wal.backup.underway", ids[0]));
    }

    [Fact]
    public async Task A_retention_that_meets_another_removal_says_so()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 3);
        var meeting = new HookedStore(store)
        {
            Writing = key =>
            {
                if (key == $"{ids[1]}/removing.json")
                    File.Copy(Path.Combine(store.Root, ids[1], "backup.json"), Path.Combine(store.Root, ids[1], "removing.json"));
                return Task.CompletedTask;
            },
        };

        var refused = (await DailyBackups.Catalog(meeting).Awaiting(c => c.CleanupAsync(new BackupRetention { Count = 1 }, null, Token)).Should().ThrowAsync<WalBackupException>()).Which;

        (refused.Code, refused.BackupId).Should().Be(("wal.backup.underway", ids[1]));
        (await new BackupCatalog(store).ListAsync(Token)).Should().HaveCount(3);
    }

    [Fact]
    public async Task A_backup_that_another_removal_has_ended_meanwhile_is_gone()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        var looks = 0;
        var meeting = new HookedStore(store)
        {
            Reading = key =>
            {
                if (key == $"{ids[0]}/backup.json" && ++looks == 2)
                    Directory.Delete(Path.Combine(store.Root, ids[0]), recursive: true);
            },
        };

        await DailyBackups.Catalog(meeting).DeleteAsync(ids[0], Token);

        looks.Should().Be(2);
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => b.Id).Should().Equal(ids[1]);
    }

    [Fact]
    public async Task Who_ends_a_killed_removal_touches_nothing_of_a_backup_that_another_has_taken_back_meanwhile()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        var (entry, copy) = (Path.Combine(store.Root, ids[0], "backup.json"), Path.Combine(store.Root, ids[0], "removing.json"));
        File.Move(entry, copy);
        var lists = 0;
        var slow = new HookedStore(store)
        {
            Listed = () =>
            {
                if (++lists == 2)
                    File.Move(copy, entry);
            },
        };

        await new BackupCatalog(slow, timeProvider: Later(TimeSpan.FromHours(1))).CleanupAsync(new BackupRetention { Days = 10_000 }, null, Token);

        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((ids[0], null), (ids[1], null));
    }

    [Fact]
    public async Task What_a_killed_removal_has_begun_to_take_apart_is_not_kept_for_a_mark_and_marks_alone_are_swept()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 3);
        var folder = Path.Combine(store.Root, ids[0]);
        File.Move(Path.Combine(folder, "backup.json"), Path.Combine(folder, "removing.json"));
        File.Delete(Path.Combine(folder, "base.tar.zst"));
        await File.WriteAllTextAsync(Path.Combine(folder, "keep"), "", Token);
        var orphan = Directory.CreateDirectory(Path.Combine(store.Root, "20200101T000000Z")).FullName;
        await File.WriteAllTextAsync(Path.Combine(orphan, "keep"), "", Token);

        await new BackupCatalog(store, timeProvider: Later(TimeSpan.FromHours(1))).CleanupAsync(new BackupRetention { Days = 10_000 }, null, Token);
        var ended = Directory.GetFiles(folder);
        var young = Directory.GetFiles(orphan);
        await new BackupCatalog(store, timeProvider: Later(TimeSpan.FromDays(8))).CleanupAsync(new BackupRetention { Days = 10_000 }, null, Token);

        ended.Should().BeEmpty();
        young.Should().HaveCount(1);
        Directory.GetFiles(orphan).Should().BeEmpty();
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((ids[1], null), (ids[2], null));
    }

    private static ShiftedClock Later(TimeSpan by) => new() { Offset = by };

    /// <summary>A place to which a backup was copied, with the paths of its entry there and of what a removal makes of that.</summary>
    private async Task<(DirectoryObjectStore To, string Entry, string Copy)> CopiedAsync(BackupInfo backup)
    {
        var (from, _) = await scene.MadeAsync();
        var to = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("copy")).FullName);
        (await new RepositoryCopy(scene.ArchiveStore, to, new RepositoryCopyOptions { BackupId = backup.Id, Begin = true }, from).RunAsync(cancellationToken: Token)).Problems.Should().BeEmpty();
        return (to, Path.Combine(to.Root, backup.Id, "backup.json"), Path.Combine(to.Root, backup.Id, "removing.json"));
    }
}
