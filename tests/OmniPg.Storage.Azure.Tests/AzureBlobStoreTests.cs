using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Storage.Azure.Tests;

public sealed class AzureContractTests(AzuriteFixture fixture) : ObjectStoreContract, IClassFixture<AzuriteFixture>
{
    protected override IObjectStore CreateEmptyStore() => fixture.Store();
}

public sealed class AzureBlobStoreTests(AzuriteFixture fixture) : IClassFixture<AzuriteFixture>
{
    private const string Key = "folder/object.zst";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_object_in_blocks_arrives_whole_and_keeps_its_digest()
    {
        await using var store = fixture.Store(o => o.SinglePutBytes = o.BlockBytes = 1 << 20);
        var content = RandomNumberGenerator.GetBytes((3 << 20) + 17);

        (await store.PutAsync(Key, content, Token, DateTimeOffset.UnixEpoch)).Should().Be(ObjectCommitResult.Created);

        (await store.ReadAllAsync(Key, Token)).Should().Equal(content);
        (await store.StatAsync(Key, Token)).Should().Be(new ObjectEntry(Key, content.Length, DateTimeOffset.UnixEpoch, ObjectContent.Of(content)));
        (await store.PutAsync(Key, content, Token)).Should().Be(ObjectCommitResult.AlreadyExists);
    }

    [Fact]
    public async Task Blocks_of_a_writer_that_gave_up_are_no_object()
    {
        await using var store = fixture.Store(o => o.SinglePutBytes = o.BlockBytes = 1 << 20);
        await using (var writer = await store.CreateAsync(Key, new ObjectInfo(), Token))
            await writer.WriteAsync(new byte[2 << 20], Token);

        (await store.StatAsync(Key, Token)).Should().BeNull();
        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_container_that_is_not_there_is_an_error_and_never_absence()
    {
        await using var store = fixture.Store(o => o.Container = "another");

        foreach (var act in AzuriteFixture.RequestsOf(store, Key, Token))
            (await act.Should().ThrowAsync<AzureContainerMissingException>()).Which.Message.Should().Contain("/another/");
    }

    [Fact]
    public async Task A_wrong_key_is_an_error_without_the_key()
    {
        var wrong = Convert.ToBase64String("not the key"u8);
        await using var store = fixture.Store(o =>
            o.ConnectionString = string.Join(';', o.ConnectionString.Split(';').Select(part => part.StartsWith("AccountKey=", StringComparison.Ordinal) ? "AccountKey=" + wrong : part)));

        foreach (var act in AzuriteFixture.RequestsOf(store, Key, Token))
            (await act.Should().ThrowAsync<AzureAccessDeniedException>()).Which.ToString().Should().NotContain(wrong);
    }

    [Fact]
    public async Task A_service_that_is_away_is_an_error_that_says_so_and_never_absence()
    {
        await using var store = fixture.Store(o => (o.ConnectionString, o.MaxRetries) = (
            "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=AAAA;BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;", 0));

        foreach (var act in AzuriteFixture.RequestsOf(store, Key, Token))
            (await act.Should().ThrowAsync<AzureUnavailableException>()).Which.IsTransient.Should().BeTrue();
    }

    [Fact]
    public async Task Hostile_keys_stay_keys()
    {
        await using var store = fixture.Store();
        string[] keys = ["a b+c&d=e?f#g", "ü/ß/😀", "quote'\"<>&;", "percent%2Fpercent", "plus+ +", "star*(!)"];
        foreach (var key in keys)
            (await store.PutAsync(key, System.Text.Encoding.UTF8.GetBytes(key), Token)).Should().Be(ObjectCommitResult.Created);

        (await store.ListAsync("", Token).Select(e => e.Key).ToListAsync(Token)).Should().BeEquivalentTo(keys);
        foreach (var key in keys)
            (await store.ReadAllAsync(key, Token)).Should().Equal(System.Text.Encoding.UTF8.GetBytes(key));
    }

    [Fact]
    public void Options_that_cannot_work_are_told_at_once()
    {
        var act = () => new AzureBlobStore(new AzureBlobStoreOptions { Prefix = "/x", BlockBytes = 1 });

        act.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(4);
    }
}
