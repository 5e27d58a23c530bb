using System.Security.Cryptography;
using OmniPg.Testing;

namespace OmniPg.Storage.Azure.Tests;

/// <summary>The store behind a service that refuses, says "later", breaks off, or says nothing.</summary>
public sealed class AzureFaultTests(AzuriteFixture fixture) : IClassFixture<AzuriteFixture>
{
    private const string Key = "folder/object.zst";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(500, "InternalError")]
    [InlineData(503, "ServerBusy")]
    [InlineData(429, "TooManyRequests")]
    public async Task A_service_that_says_later_is_asked_again(int status, string error)
    {
        await using var store = fixture.Store(o => o.MaxRetries = 2);
        var failures = 2;
        fixture.Proxy.Fault = call => call.Key.EndsWith(Key, StringComparison.Ordinal) && Interlocked.Decrement(ref failures) >= 0 ? new S3Fault { Status = status, Error = error } : null;

        (await store.PutAsync(Key, "content"u8.ToArray(), Token)).Should().Be(ObjectCommitResult.Created);

        failures.Should().BeNegative();
        (await store.ReadAllAsync(Key, Token)).Should().Equal("content"u8.ToArray());
    }

    [Theory]
    [InlineData(500, "InternalError")]
    [InlineData(503, "ServerBusy")]
    [InlineData(429, "TooManyRequests")]
    [InlineData(0, "")]
    public async Task A_service_that_stays_away_is_an_error_that_says_so_and_never_absence(int status, string error)
    {
        await using var store = fixture.Store(static o => o.MaxRetries = 0);
        fixture.Proxy.Fault = _ => new S3Fault { Status = status == 0 ? null : status, Error = error, Cut = status == 0 };

        foreach (var act in AzuriteFixture.RequestsOf(store, Key, Token))
            (await act.Should().ThrowAsync<AzureUnavailableException>()).Which.IsTransient.Should().BeTrue();
    }

    [Fact]
    public async Task A_refusal_and_a_container_that_is_away_are_errors_and_never_absence()
    {
        await using var store = fixture.Store(static o => o.MaxRetries = 0);
        fixture.Proxy.Fault = static _ => new S3Fault { Status = 403, Error = "AuthorizationFailure" };
        foreach (var act in AzuriteFixture.RequestsOf(store, Key, Token))
            (await act.Should().ThrowAsync<AzureAccessDeniedException>()).Which.Message.Should().Contain("status '403'").And.Contain("clock of this machine");

        fixture.Proxy.Fault = static _ => new S3Fault { Status = 404, Error = "ContainerNotFound" };
        foreach (var act in AzuriteFixture.RequestsOf(store, Key, Token))
            await act.Should().ThrowAsync<AzureContainerMissingException>();
    }

    [Fact]
    public async Task A_silent_service_is_given_up_after_the_time_of_a_request()
    {
        await using var store = fixture.Store(static o => (o.RequestTimeout, o.MaxRetries) = (TimeSpan.FromMilliseconds(200), 0));
        fixture.Proxy.Fault = static _ => new S3Fault { Hold = Task.Delay(Timeout.InfiniteTimeSpan) };

        foreach (var act in AzuriteFixture.RequestsOf(store, Key, Token))
            await act.Should().ThrowAsync<AzureUnavailableException>();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_put_whose_answer_was_lost_knows_its_own_blob(bool inBlocks)
    {
        await using var store = fixture.Store(o => o.SinglePutBytes = o.BlockBytes = inBlocks ? 1 << 20 : 8 << 20);
        var content = RandomNumberGenerator.GetBytes(3 << 20);
        var lost = 0;
        // Of blocks, the request that joins them.
        fixture.Proxy.Fault = call => call.Method == "PUT" && call.Query.Contains("comp=blocklist", StringComparison.Ordinal) == inBlocks && Interlocked.Increment(ref lost) == 1
            ? new S3Fault { Cut = true, AfterWork = true }
            : null;

        (await store.PutAsync(Key, content, Token)).Should().Be(ObjectCommitResult.Created);

        lost.Should().BeGreaterThan(1, "the repetition met the blob");
        (await store.ReadAllAsync(Key, Token)).Should().Equal(content);
    }

    [Fact]
    public async Task A_taken_key_where_there_is_no_blob_is_an_error()
    {
        await using var store = fixture.Store(static o => o.MaxRetries = 0);
        fixture.Proxy.Fault = static call => call.Method == "PUT" ? new S3Fault { Status = 412, Error = "ConditionNotMet" } : null;

        await store.Awaiting(s => s.PutAsync(Key, "content"u8.ToArray(), Token)).Should().ThrowAsync<AzureRequestException>();

        (await store.StatAsync(Key, Token)).Should().BeNull();
    }

    [Fact]
    public async Task A_body_that_breaks_off_goes_on_where_it_broke_and_one_that_always_does_is_an_error_of_the_reader()
    {
        await using var store = fixture.Store(static o => o.MaxRetries = 1);
        var content = RandomNumberGenerator.GetBytes(100_000);
        await store.PutAsync(Key, content, Token);
        var (breaks, bytes) = (1, 20_000);
        fixture.Proxy.Fault = call => call.Method == "GET" && Interlocked.Decrement(ref breaks) >= 0 ? new S3Fault { BodyBytes = bytes } : null;

        (await store.ReadAllAsync(Key, Token)).Should().Equal(content);
        // With any byte more the client begins to count its tries anew.
        (breaks, bytes) = (int.MaxValue, 0);
        var failure = (await store.Awaiting(s => s.ReadAllAsync(Key, Token)).Should().ThrowAsync<IOException>()).Which;

        failure.Message.Should().Contain(Key).And.Contain(store.Id);
    }
}
