using OmniPg.Storage.S3;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;

namespace OmniPg.Wal.Tests.Buckets;

/// <summary>Base backups into a bucket, and restores and drills from it, while it is in trouble.</summary>
[Collection(nameof(BackupCollection))]
public sealed class BackupBucketFaultTests(BackupScene scene) : IAsyncLifetime
{
    private S3Endpoint _bucket = null!;

    public static TheoryData<string> WritingTroubles => BucketTrouble.OfWriting;

    public static TheoryData<string> Troubles => BucketTrouble.Of;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _bucket = await S3Endpoint.StartAsync();
        _bucket.Put($"base/{WalArchiveMarker.Key}", await File.ReadAllBytesAsync(Path.Combine(scene.Archive, WalArchiveMarker.Key), Token));
    }

    public ValueTask DisposeAsync() => _bucket.DisposeAsync();

    [Theory]
    [MemberData(nameof(WritingTroubles))]
    public async Task A_backup_that_the_bucket_does_not_take_leaves_nothing(string trouble)
    {
        await using var store = BucketTrouble.Store(_bucket, "base", trouble);
        _bucket.Fault = call => call.Method == "PUT" && call.Key.Contains("base.tar", StringComparison.Ordinal) ? BucketTrouble.Make(trouble) : null;

        var failure = (await scene.BackupTo(store).Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<OmniPgException>()).Which;

        failure.ToString().Should().Contain("base.tar").And.NotContain(S3Endpoint.SecretKey);
        RequireNoBackup();
        _bucket.UnfinishedUploads.Should().Be(0);
    }

    [Fact]
    public async Task A_backup_whose_last_answer_was_lost_is_one()
    {
        await using var store = BucketTrouble.Store(_bucket, "base");
        _bucket.Fault = static call => call.Method == "PUT" && call.Key.EndsWith("/backup.json", StringComparison.Ordinal) ? new S3Fault { Cut = true, AfterWork = true } : null;

        var made = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        _bucket.Fault = static _ => null;

        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((made.Id, null));
        (await new BackupCatalog(store).VerifyAsync(made.Id, cancellationToken: Token)).IsGood.Should().BeTrue();
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task A_bucket_that_stays_away_is_no_damage_of_the_backup_and_says_nothing_about_it(string trouble)
    {
        await FillAsync();
        await using var store = BucketTrouble.Store(_bucket, "base", trouble);
        _bucket.Fault = call => call.Method == "GET" && call.Key.Contains("base.tar", StringComparison.Ordinal) ? BucketTrouble.Make(trouble) : null;
        var (target, scratch) = (scene.Fresh("restored"), Scratch());

        var restored = await new BackupRestore(store, scene.RestoreOptions()).Awaiting(r => r.RunAsync(target, cancellationToken: Token)).Should().ThrowAsync<S3Exception>();
        var drilled = await Drill(store, scratch).Awaiting(d => d.RunAsync(cancellationToken: Token)).Should().ThrowAsync<S3Exception>();

        restored.Which.Message.Should().Contain("base.tar");
        drilled.Which.Message.Should().Contain("base.tar");
        File.Exists(Path.Combine(target, PgControlFile.RelativePath)).Should().BeFalse("no server starts on it");
        Directory.GetFileSystemEntries(scratch).Should().BeEmpty();
    }

    [Fact]
    public async Task A_body_that_breaks_off_is_the_trouble_of_the_bucket_and_not_of_the_folder()
    {
        var backup = await FillAsync();
        await using var store = BucketTrouble.Store(_bucket, "base");
        _bucket.Fault = static call => call.Method == "GET" && call.Key.Contains("base.tar", StringComparison.Ordinal) ? new S3Fault { BodyBytes = 100_000 } : null;
        var (target, scratch) = (scene.Fresh("restored"), Scratch());

        var restored = (await new BackupRestore(store, scene.RestoreOptions()).Awaiting(r => r.RunAsync(target, cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;
        var drilled = (await Drill(store, scratch).Awaiting(d => d.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

        (restored.Code, restored.BackupId, restored.Destination, restored.IsTransient).Should().Be(("wal.backup.unread", backup.Id, store.Id, true));
        restored.Message.Should().Contain("base.tar").And.NotContain(target);
        drilled.Code.Should().Be("wal.backup.unread", "the scratch folder has room");
        Directory.GetFileSystemEntries(scratch).Should().BeEmpty();
    }

    [Fact]
    public async Task A_removal_that_the_bucket_stops_half_way_is_ended_by_the_next_cleanup_at_once()
    {
        var ids = await FillDailyAsync(3);
        await using var store = BucketTrouble.Store(_bucket, "base");
        _bucket.Fault = call => call.Method == "DELETE" && call.Key == $"base/{ids[0]}/base.tar.zst" ? BucketTrouble.Make("503") : null;

        var failure = (await DailyBackups.Catalog(store).Awaiting(c => c.CleanupAsync(new BackupRetention { Count = 2 }, null, Token)).Should().ThrowAsync<S3Exception>()).Which;
        var left = KeysOf(ids[0]);
        var listed = await new BackupCatalog(store).ListAsync(Token);
        var removals = await new BackupCatalog(store).ListRemovalsAsync(Token);
        _bucket.Fault = static _ => null;
        var done = await DailyBackups.Catalog(store).CleanupAsync(new BackupRetention { Count = 2 }, null, Token);

        failure.IsTransient.Should().BeTrue();
        failure.Message.Should().Contain($"{ids[0]}/base.tar.zst").And.NotContain(S3Endpoint.SecretKey);
        left.Should().Equal("base.tar.zst", "removing.failed", "removing.json");
        listed.Select(b => b.Id).Should().Equal(ids[1], ids[2]);
        removals.Select(static r => r.Id).Should().Equal(ids[0]);
        (done.Removed.Count, done.Kept.Count).Should().Be((0, 2));
        KeysOf(ids[0]).Should().BeEmpty();
    }

    [Fact]
    public async Task A_removal_that_could_not_even_tell_that_it_failed_is_ended_when_it_has_been_silent()
    {
        var ids = await FillDailyAsync(3);
        await using var store = BucketTrouble.Store(_bucket, "base");
        var isAway = false;
        _bucket.Fault = call => (isAway |= call.Method == "DELETE" && call.Key == $"base/{ids[0]}/base.tar.zst") ? BucketTrouble.Make("503") : null;

        await DailyBackups.Catalog(store).Awaiting(c => c.CleanupAsync(new BackupRetention { Count = 2 }, null, Token)).Should().ThrowAsync<S3Exception>();
        _bucket.Fault = static _ => null;
        var left = KeysOf(ids[0]);
        var refused = (await new BackupCatalog(store).Awaiting(c => c.CleanupAsync(new BackupRetention { Count = 1 }, null, Token)).Should().ThrowAsync<WalBackupException>()).Which;
        await new BackupCatalog(store, timeProvider: new ShiftedClock { Offset = TimeSpan.FromMinutes(16) }).CleanupAsync(new BackupRetention { Count = 2 }, null, Token);

        left.Should().Equal("base.tar.zst", "removing.json");
        (refused.Code, refused.BackupId).Should().Be(("wal.backup.underway", ids[0]));
        KeysOf(ids[0]).Should().BeEmpty();
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((ids[1], null), (ids[2], null));
    }

    /// <summary>Puts daily backups into the bucket.</summary>
    /// <returns>Their ids.</returns>
    private async Task<string[]> FillDailyAsync(int count)
    {
        var (made, ids) = await DailyBackups.MakeAsync(scene, count);
        foreach (var id in ids)
        {
            foreach (var file in Directory.GetFiles(Path.Combine(made.Root, id)))
                _bucket.Put($"base/{id}/{Path.GetFileName(file)}", await File.ReadAllBytesAsync(file, Token));
        }

        return ids;
    }

    private IEnumerable<string> KeysOf(string id) => [.. _bucket.Keys.Where(k => k.StartsWith($"base/{id}/", StringComparison.Ordinal)).Select(k => k[$"base/{id}/".Length..]).Order(StringComparer.Ordinal)];

    /// <summary>Puts a backup of the scene into the bucket.</summary>
    private async Task<BackupInfo> FillAsync()
    {
        var (made, backup) = await scene.MadeAsync();
        foreach (var file in Directory.GetFiles(Path.Combine(made.Root, backup.Id)))
            _bucket.Put($"base/{backup.Id}/{Path.GetFileName(file)}", await File.ReadAllBytesAsync(file, Token));
        return backup;
    }

    private RestoreDrill Drill(S3ObjectStore store, string scratch) => new(
        store, scene.ArchiveStore, new RestoreDrillOptions { RestoreCommand = scene.RestoreCommand, ScratchDirectory = scratch, BinDirectory = scene.Server.BinDirectory });

    private string Scratch()
    {
        var folder = Directory.CreateDirectory(scene.Fresh("s")).FullName;
        ServerAccount.Own(folder);
        return folder;
    }

    private void RequireNoBackup() => _bucket.Keys.Should().OnlyContain(static k => k == "base/" + WalArchiveMarker.Key || k == "base/.omnipg-create-once");
}
