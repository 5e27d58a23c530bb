namespace OmniPg.Wal.Tests.Storage;

/// <summary>What every store promises. Derive, make an empty store, and the whole contract runs over it.</summary>
public abstract class WalStoreContract
{
    private static readonly WalFileName Absent = WalFileName.Parse("0000000100000000000000FE");
    private const string Key = "0000000100000000/000000010000000000000001.zst";

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected abstract IWalStore CreateEmptyStore();

    [Fact]
    public async Task A_committed_object_is_there_with_its_bytes_and_its_time()
    {
        await using var store = CreateEmptyStore();
        var modified = new DateTimeOffset(2026, 5, 1, 12, 30, 15, TimeSpan.Zero);

        (await store.PutAsync(Key, "content"u8.ToArray(), Token, modified)).Should().Be(WalCommitOutcome.Created);

        (await store.ReadAllAsync(Key, Token)).Should().Equal("content"u8.ToArray());
        var entry = await store.StatAsync(Key, Token);
        entry.Should().NotBeNull();
        entry!.Key.Should().Be(Key);
        entry.Bytes.Should().Be(7);
        entry.Modified.Should().Be(modified);
    }

    [Fact]
    public async Task An_object_is_invisible_before_its_commit_and_leaves_no_trace_without_it()
    {
        await using var store = CreateEmptyStore();

        await using (var writer = await store.CreateAsync(Key, new WalObjectInfo(), Token))
        {
            await writer.WriteAsync(new byte[100_000], Token);
            (await store.StatAsync(Key, Token)).Should().BeNull();
            (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
        }

        (await store.StatAsync(Key, Token)).Should().BeNull();
        (await store.OpenReadAsync(Key, Token)).Should().BeNull();
        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_taken_key_is_never_replaced()
    {
        await using var store = CreateEmptyStore();
        await store.PutAsync(Key, "first"u8.ToArray(), Token);

        (await store.PutAsync(Key, "second"u8.ToArray(), Token)).Should().Be(WalCommitOutcome.AlreadyExists);

        (await store.ReadAllAsync(Key, Token)).Should().Equal("first"u8.ToArray());
        (await store.ListAsync("", Token).ToListAsync(Token)).Should().ContainSingle();
    }

    [Fact]
    public async Task Of_racing_writers_exactly_one_creates()
    {
        await using var store = CreateEmptyStore();

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => store.PutAsync(Key, [(byte)i], Token), Token)));

        outcomes.Count(o => o == WalCommitOutcome.Created).Should().Be(1);
        (await store.ReadAllAsync(Key, Token)).Should().HaveCount(1);
    }

    [Fact]
    public async Task Absence_is_null_and_deletion_of_nothing_does_nothing()
    {
        await using var store = CreateEmptyStore();

        (await store.StatAsync(Key, Token)).Should().BeNull();
        (await store.OpenReadAsync(Key, Token)).Should().BeNull();
        await store.DeleteAsync(Key, Token);
    }

    [Fact]
    public async Task A_deleted_object_is_gone_and_its_key_is_free()
    {
        await using var store = CreateEmptyStore();
        await store.PutAsync(Key, "first"u8.ToArray(), Token);

        await store.DeleteAsync(Key, Token);

        (await store.StatAsync(Key, Token)).Should().BeNull();
        (await store.PutAsync(Key, "second"u8.ToArray(), Token)).Should().Be(WalCommitOutcome.Created);
    }

    [Fact]
    public async Task A_listing_holds_what_begins_with_the_prefix()
    {
        await using var store = CreateEmptyStore();
        foreach (var key in new[] { Key, "00000002.history", "0000000100000000/000000010000000000000002.zst", "0000000100000001/000000010000000100000000.zst" })
            await store.PutAsync(key, "x"u8.ToArray(), Token);

        (await store.ListAsync("0000000100000000/", Token).ToListAsync(Token)).Select(e => e.Key)
            .Should().BeEquivalentTo(Key, "0000000100000000/000000010000000000000002.zst");
        (await store.ListAsync("", Token).ToListAsync(Token)).Should().HaveCount(4);
    }

    [Fact]
    public async Task An_empty_store_proves_nothing()
    {
        await using var store = CreateEmptyStore();
        await store.PutAsync("lost+found.txt", "no WAL"u8.ToArray(), Token);

        await RequireAbsentAsync(store);
    }

    [Fact]
    public async Task A_marker_alone_proves_the_archive()
    {
        await using var store = CreateEmptyStore();
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(store, Token);

        await RequirePresentAsync(store);
    }

    [Fact]
    public async Task A_single_archived_file_proves_the_archive()
    {
        await using var store = CreateEmptyStore();
        await store.PutAsync("00000002.history", "1\t0/2000000\tno recovery target specified\n"u8.ToArray(), Token);

        await RequirePresentAsync(store);
    }

    [Fact]
    public async Task A_place_keeps_its_identity_whatever_is_stored_in_it()
    {
        await using var store = CreateEmptyStore();
        var before = await store.IdentifyAsync(Token);

        await store.PutAsync(Key, "content"u8.ToArray(), Token);

        (await store.IdentifyAsync(Token)).Should().Be(before).And.NotBeEmpty();
    }

    [Fact]
    public async Task A_cancelled_commit_publishes_nothing()
    {
        await using var store = CreateEmptyStore();
        using var cancelled = new CancellationTokenSource();
        await using (var writer = await store.CreateAsync(Key, new WalObjectInfo(), Token))
        {
            await writer.WriteAsync(new byte[10], Token);
            await cancelled.CancelAsync();
            var act = () => writer.CommitAsync(default, cancelled.Token);
            await act.Should().ThrowAsync<OperationCanceledException>();
        }

        (await store.StatAsync(Key, Token)).Should().BeNull();
    }

    /// <summary>Whoever would say "not there" or "nothing wrong" says that there is no archive instead.</summary>
    private protected static async Task RequireAbsentAsync(IWalStore store)
    {
        var repository = new WalRepository(store);
        await repository.Awaiting(r => r.VerifyAsync(cancellationToken: Token)).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.GetRecoveryWindowAsync(Token)).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.GetTimelinesAsync(Token)).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.CleanupAsync(Absent, cancellationToken: Token)).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.ListAsync(Token).ToListAsync(Token).AsTask()).Should().ThrowAsync<WalArchiveAbsentException>();
        await repository.Awaiting(r => r.GetRestorePointsAsync(cancellationToken: Token).ToListAsync(Token).AsTask()).Should().ThrowAsync<WalArchiveAbsentException>();
        foreach (var name in (string[])[Absent.ToString(), "00000009.history"])
        {
            var restoring = () => RestoreAsync(store, name);
            (await restoring.Should().ThrowAsync<WalSourceException>()).Which.Failures.Single().Error.Should().BeOfType<WalArchiveAbsentException>();
        }
    }

    private static async Task RequirePresentAsync(IWalStore store)
    {
        var repository = new WalRepository(store);
        (await repository.VerifyAsync(cancellationToken: Token)).IsGood.Should().BeTrue();
        (await repository.CleanupAsync(Absent, cancellationToken: Token)).Removed.Should().BeEmpty();
        (await RestoreAsync(store, Absent.ToString())).Status.Should().Be(WalRestoreStatus.NotFound);
        (await RestoreAsync(store, "00000009.history")).Status.Should().Be(WalRestoreStatus.NotFound);
    }

    private static Task<WalRestoreOutcome> RestoreAsync(IWalStore store, string name)
    {
        var options = new WalRestoreOptions { DataDirectory = Path.GetTempPath(), RequireDataDirectory = false, RetryTimeout = TimeSpan.Zero };
        options.Sources.Add(new WalRestoreSource(store, Codec.None));
        return new WalRestorer(options).RestoreAsync(name, "omnipg-nothing", Token);
    }
}
