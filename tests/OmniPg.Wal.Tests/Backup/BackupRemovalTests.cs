namespace OmniPg.Wal.Tests.Backup;

/// <summary>Removals that meet others, break off, or come too late: no backup is lost by one, and whoever asked is told.</summary>
[Collection(nameof(BackupCollection))]
public sealed class BackupRemovalTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_retention_that_meets_another_removal_on_its_way_says_so()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 3);
        var meeting = new HookedStore(store)
        {
            // Another one begins on the oldest backup while this one removes the middle one.
            Writing = key =>
            {
                if (key == $"{ids[1]}/removing.json")
                    File.Copy(Path.Combine(store.Root, ids[0], "backup.json"), Path.Combine(store.Root, ids[0], "removing.json"));
                return Task.CompletedTask;
            },
        };

        var refused = async () => await DailyBackups.Catalog(meeting).CleanupAsync(new BackupRetention { Count = 1 }, null, Token);

        var told = (await refused.Should().ThrowAsync<WalBackupException>()).Which;
        (told.Code, told.BackupId).Should().Be(("wal.backup.underway", ids[1]));
        (await DailyBackups.Catalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal(ids.Select(id => (id, (string?)null)));
    }

    [Fact]
    public async Task A_backup_that_another_removal_has_removed_meanwhile_is_removed()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        var reads = 0;
        var late = new HookedStore(store)
        {
            // The list reads it once, and the removal behind its first look.
            Reading = key =>
            {
                if (key == $"{ids[0]}/backup.json" && reads++ == 1)
                    Directory.Delete(Path.Combine(store.Root, ids[0]), recursive: true);
            },
        };

        await DailyBackups.Catalog(late).DeleteAsync(ids[0], Token);

        reads.Should().Be(2);
        (await DailyBackups.Catalog(store).ListAsync(Token)).Select(b => b.Id).Should().Equal(ids[1]);
    }

    [Fact]
    public async Task A_removal_that_is_cancelled_behind_its_first_step_is_ended_and_keeps_no_other_waiting()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 3);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var cancelling = new HookedStore(store) { Removed = key => key.EndsWith("backup.json", StringComparison.Ordinal) ? stop.CancelAsync() : Task.CompletedTask };

        await DailyBackups.Catalog(cancelling).DeleteAsync(ids[0], stop.Token);
        await DailyBackups.Catalog(store).DeleteAsync(ids[1], Token);

        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(store.Root, f))
            .Should().BeEquivalentTo(WalArchiveMarker.Key, $"{ids[2]}/backup.json", $"{ids[2]}/base.tar.zst");
    }

    [Fact]
    public async Task A_backup_under_removal_is_told_also_to_who_asks_for_the_latest()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 1);
        File.Move(Path.Combine(store.Root, ids[0], "backup.json"), Path.Combine(store.Root, ids[0], "removing.json"));

        var latest = async () => await DailyBackups.Catalog(store).GetAsync(null, Token);

        var told = (await latest.Should().ThrowAsync<WalBackupException>()).Which;
        (told.Code, told.BackupId).Should().Be(("wal.backup.underway", ids[0]));
    }

    [Fact]
    public async Task An_entry_under_removal_that_cannot_be_read_says_nothing_of_another_backup()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        File.Delete(Path.Combine(store.Root, ids[0], "backup.json"));
        await File.WriteAllTextAsync(Path.Combine(store.Root, ids[0], "removing.json"), "{", Token);

        var absent = async () => await DailyBackups.Catalog(store).GetAsync("20200101T000000Z", Token);

        (await absent.Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.unknown");
    }

    [Fact]
    public async Task What_a_killed_removal_has_begun_to_take_apart_is_not_taken_back_for_a_mark()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        var folder = Path.Combine(store.Root, ids[0]);
        File.Move(Path.Combine(folder, "backup.json"), Path.Combine(folder, "removing.json"));
        File.SetLastWriteTimeUtc(Path.Combine(folder, "removing.json"), DailyBackups.Today.UtcDateTime.AddHours(-1));
        File.Delete(Path.Combine(folder, "base.tar.zst"));
        await File.WriteAllTextAsync(Path.Combine(folder, "keep"), "", Token);

        await DailyBackups.Catalog(store).CleanupAsync(new BackupRetention { Count = 1 }, null, Token);

        Directory.GetFiles(folder).Should().BeEmpty();
        (await DailyBackups.Catalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((ids[1], null));
    }

    [Fact]
    public async Task The_newest_backup_without_a_damaged_page_outlives_those_that_have_some()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 4);
        foreach (var id in ids[2..])
        {
            var entry = BackupInfo.Parse(await File.ReadAllBytesAsync(Path.Combine(store.Root, id, "backup.json"), Token), store.Id, id);
            await File.WriteAllBytesAsync(Path.Combine(store.Root, id, "backup.json"), (entry with { DamagedPages = 37 }).ToJson(), Token);
        }

        var done = await DailyBackups.Catalog(store).CleanupAsync(new BackupRetention { Count = 1 }, null, Token);

        done.Kept.Select(b => b.Id).Should().Equal(ids[1], ids[3]);
    }

    [Fact]
    public async Task WAL_of_a_backup_that_is_published_while_a_retention_removes_WAL_stays_as_far_as_it_is_there()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 3);
        var archive = await DailyBackups.ArchiveAsync(scene, 200);
        var (hidden, entry) = (Path.Combine(store.Root, ids[1], "hidden"), Path.Combine(store.Root, ids[1], "backup.json"));
        // The middle one is one that needs WAL from segment 100 on, and whose entry is written when the first segment goes.
        foreach (var (id, from) in ((string, int)[])[(ids[1], 100), (ids[2], 150)])
        {
            var info = BackupInfo.Parse(await File.ReadAllBytesAsync(Path.Combine(store.Root, id, "backup.json"), Token), store.Id, id);
            var segment = WalFileName.Parse(DailyBackups.Segment(from));
            await File.WriteAllBytesAsync(Path.Combine(store.Root, id, "backup.json"), (info with { WalFrom = segment, WalTo = segment }).ToJson(), Token);
        }

        File.Move(entry, hidden);
        var publishing = new HookedStore(archive)
        {
            Removing = key =>
            {
                if (File.Exists(hidden))
                    File.Move(hidden, entry);
                return Task.CompletedTask;
            },
        };

        var done = await DailyBackups.Catalog(store).CleanupAsync(new BackupRetention { Count = 1 }, publishing, Token);

        done.RemovedWal.Select(f => f.Name.ToString()).Should().Equal(Enumerable.Range(0, 100).Select(DailyBackups.Segment));
    }
}
