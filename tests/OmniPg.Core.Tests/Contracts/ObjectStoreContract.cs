namespace OmniPg.Testing;

/// <summary>What every store promises. Derive, make an empty store, and the whole contract runs over it.</summary>
/// <remarks>Stands alone with <c>ObjectStoreExtensions.cs</c>: link or copy both files into the tests of an own store.</remarks>
public abstract class ObjectStoreContract
{
    private const string Key = "folder/object.zst";

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected abstract IObjectStore CreateEmptyStore();

    [Fact]
    public async Task A_committed_object_is_there_with_its_bytes_and_its_time()
    {
        await using var store = CreateEmptyStore();
        var modified = new DateTimeOffset(2026, 5, 1, 12, 30, 15, TimeSpan.Zero);

        (await store.PutAsync(Key, "content"u8.ToArray(), Token, modified)).Should().Be(ObjectCommitResult.Created);

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

        await using (var writer = await store.CreateAsync(Key, new ObjectInfo(), Token))
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

        (await store.PutAsync(Key, "second"u8.ToArray(), Token)).Should().Be(ObjectCommitResult.AlreadyExists);

        (await store.ReadAllAsync(Key, Token)).Should().Equal("first"u8.ToArray());
        (await store.ListAsync("", Token).ToListAsync(Token)).Should().ContainSingle();
    }

    [Fact]
    public async Task Of_racing_writers_exactly_one_creates()
    {
        await using var store = CreateEmptyStore();

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => store.PutAsync(Key, [(byte)i], Token), Token)));

        outcomes.Count(o => o == ObjectCommitResult.Created).Should().Be(1);
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
        (await store.PutAsync(Key, "second"u8.ToArray(), Token)).Should().Be(ObjectCommitResult.Created);
    }

    [Fact]
    public async Task A_listing_holds_what_begins_with_the_prefix()
    {
        await using var store = CreateEmptyStore();
        foreach (var key in (string[])[Key, "in-the-root", "folder/other.zst", "folder/deep/er/still", "folder2/object.zst"])
            await store.PutAsync(key, "x"u8.ToArray(), Token);

        (await store.ListAsync("folder/", Token).ToListAsync(Token)).Select(e => e.Key)
            .Should().BeEquivalentTo(Key, "folder/other.zst", "folder/deep/er/still");
        (await store.ListAsync("", Token).ToListAsync(Token)).Should().HaveCount(5);
    }

    [Fact]
    public async Task A_listing_goes_no_deeper_than_it_is_told()
    {
        await using var store = CreateEmptyStore();
        foreach (var key in (string[])["in-the-root", Key, "folder/deep/object", "folder/deep/er/still"])
            await store.PutAsync(key, "x"u8.ToArray(), Token);

        (await store.ListAsync("", 0, Token).ToListAsync(Token)).Select(e => e.Key).Should().Equal("in-the-root");
        (await store.ListAsync("", 1, Token).ToListAsync(Token)).Select(e => e.Key).Should().BeEquivalentTo("in-the-root", Key);
        (await store.ListAsync("folder/", 2, Token).ToListAsync(Token)).Select(e => e.Key).Should().BeEquivalentTo(Key, "folder/deep/object");
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
        await using (var writer = await store.CreateAsync(Key, new ObjectInfo(), Token))
        {
            await writer.WriteAsync(new byte[10], Token);
            await cancelled.CancelAsync();
            var act = () => writer.CommitAsync(default, cancelled.Token);
            await act.Should().ThrowAsync<OperationCanceledException>();
        }

        (await store.StatAsync(Key, Token)).Should().BeNull();
    }

    [Fact]
    public async Task What_a_living_writer_holds_is_not_abandoned()
    {
        await using var store = CreateEmptyStore();
        await store.PutAsync(Key, "first"u8.ToArray(), Token, DateTimeOffset.UnixEpoch);
        await using var writer = await store.CreateAsync("other", new ObjectInfo(), Token);
        await writer.WriteAsync("second"u8.ToArray(), Token);

        (await store.RemoveAbandonedAsync(DateTimeOffset.UtcNow.AddHours(-1), cancellationToken: Token)).Should().Be(0);

        (await writer.CommitAsync(new ObjectContent(new string('0', 32), 6, 6, new string('0', 64)), Token)).Should().Be(ObjectCommitResult.Created);
        (await store.ListAsync("", Token).ToListAsync(Token)).Select(e => e.Key).Should().BeEquivalentTo(Key, "other");
    }

    [Fact]
    public async Task An_object_that_is_there_can_be_made_durable_again()
    {
        await using var store = CreateEmptyStore();
        await store.PutAsync(Key, "content"u8.ToArray(), Token);

        await store.EnsureDurableAsync(Key, Token);

        (await store.ReadAllAsync(Key, Token)).Should().Equal("content"u8.ToArray());
    }
}
