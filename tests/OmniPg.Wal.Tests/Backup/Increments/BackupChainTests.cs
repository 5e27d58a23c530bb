namespace OmniPg.Wal.Tests.Backup;

/// <summary>Chains of incremental backups in a store: what retention, removal, copies and listings make of them.</summary>
[Collection(nameof(BackupCollection))]
public sealed class BackupChainTests(BackupScene scene)
{
    private static readonly DateTimeOffset First = new(2026, 5, 1, 6, 0, 0, TimeSpan.Zero);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Retention_keeps_what_a_kept_backup_stands_on_and_the_WAL_from_there_on()
    {
        // Two chains: 0 ← 1 ← 2 and 3 ← 4 ← 5.
        var (store, ids) = await StoreAsync(null, 0, 1, null, 3, 4);
        var archive = await scene.NewStoreAsync();
        for (var number = 0; number < 6; number++)
            await File.WriteAllTextAsync(Path.Combine(archive.Root, Segment(number)), "", Token);

        var done = await new BackupCatalog(store).CleanupAsync(new BackupRetention { Count = 1 }, archive, Token);

        done.Removed.Select(b => b.Id).Should().Equal(ids[..3]);
        done.Kept.Select(b => b.Id).Should().Equal(ids[3..]);
        done.WalKeptFrom.ToString().Should().Be(Segment(3));
        (await new BackupCatalog(store).ListAsync(Token)).Should().OnlyContain(b => b.Problem == null).And.HaveCount(3);
    }

    [Fact]
    public async Task A_mark_on_the_last_link_keeps_the_whole_chain()
    {
        var (store, ids) = await StoreAsync(null, 0, 1, null);
        await new BackupCatalog(store).KeepAsync(ids[2], Token);

        var done = await new BackupCatalog(store).CleanupAsync(new BackupRetention { Count = 1 }, null, Token);

        done.Removed.Should().BeEmpty();
        done.Kept.Select(b => b.Id).Should().Equal(ids);
    }

    [Fact]
    public async Task What_another_stands_on_is_not_deleted_before_it()
    {
        var (store, ids) = await StoreAsync(null, 0, null);
        var catalog = new BackupCatalog(store);

        var refused = (await catalog.Awaiting(c => c.DeleteAsync(ids[0], Token)).Should().ThrowAsync<WalBackupException>()).Which;
        await catalog.DeleteAsync(ids[1], Token);
        await catalog.DeleteAsync(ids[0], Token);

        refused.Code.Should().Be("wal.backup.kept");
        refused.Message.Should().Contain($"is what the incremental backup '{ids[1]}' stands on");
        (await catalog.ListAsync(Token)).Select(b => b.Id).Should().Equal(ids[2]);
    }

    [Fact]
    public async Task A_chain_that_lacks_a_link_is_not_valid_behind_it_and_an_older_backup_is_the_latest()
    {
        var (store, ids) = await StoreAsync(null, null, 1, 2);
        File.Delete(Path.Combine(store.Root, ids[2], "base.tar.zst"));

        var listed = await new BackupCatalog(store).ListAsync(Token);
        var latest = await new BackupCatalog(store).GetAsync(cancellationToken: Token);
        File.Delete(Path.Combine(store.Root, ids[2], "backup.json"));
        var without = await new BackupCatalog(store).ListAsync(Token);
        var restore = () => new BackupRestore(store, new BackupRestoreOptions { BackupId = ids[3], RestoreCommand = "false" }).RunAsync(scene.Fresh("restored"), cancellationToken: Token);

        listed.Select(b => b.Problem is null).Should().Equal(true, true, false, false);
        listed[3].Problem.Should().Be($"backup '{ids[2]}', of which it holds the changes, is not valid: '{ids[2]}/base.tar.zst' is missing");
        latest.Id.Should().Be(ids[1]);
        without[^1].Problem.Should().Be($"backup '{ids[2]}', of which it holds the changes, is not there or cannot be read");
        (await restore.Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.damaged");
    }

    [Fact]
    public async Task Retention_spares_what_a_backup_stands_on_that_was_made_meanwhile()
    {
        var (store, ids) = await StoreAsync(null, null, null);
        var late = Late(store, ids[0]);

        var done = await new BackupCatalog(late).CleanupAsync(new BackupRetention { Count = 1 }, null, Token);

        done.Removed.Select(b => b.Id).Should().Equal(ids[1]);
        done.Kept.Select(b => b.Id).Should().Equal(ids[0], ids[2]);
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => b.Problem).Should().Equal(null, null, null);
    }

    [Fact]
    public async Task Retention_spares_the_whole_chain_below_a_backup_that_was_made_meanwhile()
    {
        // 0 ← 1 ← 2, and 9 comes to stand on 2.
        var (store, ids) = await StoreAsync(null, 0, 1, null, null);
        var late = Late(store, ids[2]);

        var done = await new BackupCatalog(late).CleanupAsync(new BackupRetention { Count = 1 }, null, Token);

        done.Removed.Select(b => b.Id).Should().Equal(ids[3]);
        done.Kept.Select(b => b.Id).Should().Equal(ids[0], ids[1], ids[2], ids[4]);
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => b.Problem).Should().Equal(null, null, null, null, null);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_backup_that_comes_to_stand_on_one_at_the_moment_of_its_removal_gets_it_back(bool byRetention)
    {
        var (store, ids) = await StoreAsync(null, null);
        var late = Late(store, ids[0]);
        var catalog = new BackupCatalog(late);

        if (byRetention)
            (await catalog.CleanupAsync(new BackupRetention { Count = 1 }, null, Token)).Removed.Should().BeEmpty();
        else
            (await catalog.Awaiting(c => c.DeleteAsync(ids[0], Token)).Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.kept");

        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Problem, b.IncrementOf)).Should().Equal((null, null), (null, null), (null, ids[0]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_killed_removal_has_begun_is_taken_back_for_a_backup_that_came_meanwhile_and_ended_otherwise(bool isNeeded)
    {
        var (store, ids) = await StoreAsync(null, null);
        HookedStore? killed = null;
        killed = new HookedStore(store)
        {
            Removed = async _ =>
            {
                if (isNeeded)
                    await AddAsync(store, 9, ids[0]);
                killed!.IsDead = true;
            },
        };
        await new BackupCatalog(killed).Awaiting(c => c.CleanupAsync(new BackupRetention { Count = 1 }, null, Token)).Should().ThrowAsync<IOException>();
        var listed = await new BackupCatalog(store).ListAsync(Token);
        var later = new BackupCatalog(store, timeProvider: new ShiftedClock { Offset = TimeSpan.FromHours(1) });

        await new BackupCatalog(store).CleanupAsync(new BackupRetention { Days = 10_000 }, null, Token);
        var atOnce = Directory.GetFiles(Path.Combine(store.Root, ids[0])).Select(Path.GetFileName);
        var done = await later.CleanupAsync(new BackupRetention { Days = 10_000 }, null, Token);

        atOnce.Should().BeEquivalentTo("base.tar.zst", "removing.json");
        listed.Select(b => b.Problem is null).Should().Equal(isNeeded ? [true, false] : [true]);
        done.Kept.Select(b => (b.Problem, b.IncrementOf)).Should().Equal(isNeeded ? [(null, null), (null, null), (null, ids[0])] : [(null, null)]);
        Directory.GetFiles(Path.Combine(store.Root, ids[0])).Select(Path.GetFileName).Should().BeEquivalentTo(isNeeded ? ["base.tar.zst", "backup.json"] : []);
    }

    [Fact]
    public async Task An_entry_that_stands_on_a_younger_one_or_hides_that_it_is_incremental_is_damaged()
    {
        var (store, ids) = await StoreAsync(null, 0);
        await RewriteAsync(i => i with { IncrementOf = BackupInfo.IdAt(First.AddDays(50)) });
        var younger = async () => await new BackupCatalog(store).ListAsync(Token);
        await younger.Should().ThrowAsync<WalBackupException>();
        await RewriteAsync(i => i with { Format = 1 });
        var hiding = async () => await new BackupCatalog(store).ListAsync(Token);

        (await hiding.Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.damaged");

        async Task RewriteAsync(Func<BackupInfo, BackupInfo> change)
        {
            var info = await InfoAsync(1, ids[0]);
            await File.WriteAllBytesAsync(Path.Combine(store.Root, ids[1], "backup.json"), change(info).ToJson(), Token);
        }
    }

    private static string Segment(int number) => $"0000000100000000{number:X8}";

    /// <summary>One backup a day, each full (null) or on another one; a part of each is one byte.</summary>
    private async Task<(DirectoryObjectStore Store, string[] Ids)> StoreAsync(params int?[] on)
    {
        var store = await scene.NewStoreAsync();
        var ids = new List<string>();
        foreach (var prior in on)
            ids.Add(await AddAsync(store, ids.Count, prior is { } p ? ids[p] : null));
        return (store, [.. ids]);
    }

    /// <summary>A store in which a backup comes to stand on another one when the first object is removed.</summary>
    private HookedStore Late(DirectoryObjectStore store, string prior)
    {
        var isThere = false;
        return new HookedStore(store)
        {
            Removing = async _ =>
            {
                if (!isThere)
                    await AddAsync(store, 9, prior);
                isThere = true;
            },
        };
    }

    private async Task<string> AddAsync(DirectoryObjectStore store, int day, string? prior)
    {
        var info = await InfoAsync(day, prior);
        await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(store.Root, info.Id)).FullName, "base.tar.zst"), "x", Token);
        await File.WriteAllBytesAsync(Path.Combine(store.Root, info.Id, "backup.json"), info.ToJson(), Token);
        return info.Id;
    }

    private async Task<BackupInfo> InfoAsync(int day, string? prior)
    {
        var (_, sample) = await scene.MadeAsync();
        var id = BackupInfo.IdAt(First.AddDays(day));
        WalFileName.TryParse(Segment(day), out var segment).Should().BeTrue();
        return sample with
        {
            Id = id,
            Format = prior is null ? BackupInfo.CurrentFormat : BackupInfo.IncrementalFormat,
            IncrementOf = prior,
            Started = First.AddDays(day),
            Stopped = First.AddDays(day).AddHours(1),
            WalFrom = segment,
            WalTo = segment,
            Tablespaces = [],
            Parts = [new BackupPart($"{id}/base.tar.zst", 0, 1, 1, "")],
            Manifest = null,
        };
    }
}
