using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Storage.S3.Tests;

public sealed class S3FaultTests : IAsyncLifetime
{
    private const string Key = "folder/object.zst";

    private readonly S3Fixture _fixture = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => _fixture.InitializeAsync();

    public ValueTask DisposeAsync() => _fixture.DisposeAsync();

    [Fact]
    public async Task An_object_in_parts_arrives_whole_and_leaves_no_upload_behind()
    {
        await using var store = _fixture.Store(o => o.SinglePutBytes = o.PartBytes = 5 << 20);
        var content = RandomNumberGenerator.GetBytes((12 << 20) + 17);

        (await store.PutAsync(Key, content, Token, DateTimeOffset.UnixEpoch)).Should().Be(ObjectCommitResult.Created);

        (await store.ReadAllAsync(Key, Token)).Should().Equal(content);
        (await store.StatAsync(Key, Token))!.Modified.Should().Be(DateTimeOffset.UnixEpoch);
        _fixture.Server.UnfinishedUploads.Should().Be(0);
        (await store.PutAsync(Key, content, Token)).Should().Be(ObjectCommitResult.AlreadyExists);
        _fixture.Server.UnfinishedUploads.Should().Be(0);
    }

    [Fact]
    public async Task Parts_of_a_writer_that_gave_up_are_gone_and_those_of_a_killed_one_are_removed_later()
    {
        await using var store = _fixture.Store(o => o.SinglePutBytes = o.PartBytes = 5 << 20);
        await using (var writer = await store.CreateAsync(Key, new ObjectInfo(), Token))
        {
            await writer.WriteAsync(new byte[6 << 20], Token);
            _fixture.Server.UnfinishedUploads.Should().Be(1);
        }

        _fixture.Server.UnfinishedUploads.Should().Be(0);

        var killed = await store.CreateAsync(Key, new ObjectInfo(), Token);
        await killed.WriteAsync(new byte[6 << 20], Token);
        (await store.RemoveAbandonedAsync(DateTimeOffset.UtcNow.AddHours(-1), cancellationToken: Token)).Should().Be(0);
        (await store.RemoveAbandonedAsync(DateTimeOffset.UtcNow.AddHours(1), 0, Token)).Should().Be(0, "the key has a folder");
        (await store.RemoveAbandonedAsync(DateTimeOffset.UtcNow.AddHours(1), cancellationToken: Token)).Should().Be(1);
        _fixture.Server.UnfinishedUploads.Should().Be(0);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(429)]
    public async Task A_server_that_says_later_is_asked_again(int status)
    {
        await using var store = _fixture.Store();
        var failures = 2;
        _fixture.Server.Fault = call => call.Key.EndsWith(Key, StringComparison.Ordinal) && Interlocked.Decrement(ref failures) >= 0
            ? new S3Fault { Status = status, Error = status == 500 ? "InternalError" : "SlowDown" }
            : null;

        (await store.PutAsync(Key, "content"u8.ToArray(), Token)).Should().Be(ObjectCommitResult.Created);

        (await store.ReadAllAsync(Key, Token)).Should().Equal("content"u8.ToArray());
    }

    [Theory]
    [InlineData(503, false)]
    [InlineData(0, true)]
    public async Task A_server_that_stays_away_is_an_error_that_says_so_and_never_absence(int status, bool cut)
    {
        await using var store = _fixture.Store();
        _fixture.Server.Fault = _ => new S3Fault { Status = cut ? null : status, Error = "ServiceUnavailable", Cut = cut };

        foreach (var act in All(store))
            (await act.Should().ThrowAsync<S3UnavailableException>()).Which.IsTransient.Should().BeTrue();
    }

    [Fact]
    public async Task A_silent_server_is_given_up_after_the_time_of_a_request()
    {
        await using var store = _fixture.Store(o => (o.RequestTimeout, o.MaxRetries) = (TimeSpan.FromMilliseconds(200), 0));
        var held = new TaskCompletionSource();
        _fixture.Server.Fault = _ => new S3Fault { Hold = held.Task };

        await store.Invoking(s => s.StatAsync(Key, Token)).Should().ThrowAsync<S3UnavailableException>();

        held.SetResult();
    }

    [Theory]
    [InlineData("InvalidAccessKeyId")]
    [InlineData("SignatureDoesNotMatch")]
    public async Task Wrong_credentials_are_an_error_without_the_secret(string kind)
    {
        await using var store = _fixture.Store(o => (o.AccessKey, o.SecretKey) = kind == "InvalidAccessKeyId" ? ("OTHER", S3Endpoint.SecretKey) : (S3Endpoint.AccessKey, "not the secret"));

        foreach (var act in All(store))
            (await act.Should().ThrowAsync<S3AccessDeniedException>()).Which.ToString().Should().NotContain("not the secret").And.NotContain(S3Endpoint.SecretKey);
    }

    [Fact]
    public async Task A_bucket_that_is_not_there_is_an_error_and_never_absence()
    {
        await using var store = _fixture.Store(o => o.Bucket = "another");

        foreach (var act in All(store))
            (await act.Should().ThrowAsync<S3BucketMissingException>()).Which.Message.Should().Contain("/another/");
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 500)]
    public async Task A_put_whose_answer_was_lost_knows_its_own_object(bool cut, int status)
    {
        await using var store = _fixture.Store();
        var lost = 0;
        _fixture.Server.Fault = call => call.Method == "PUT" && call.Key.EndsWith(Key, StringComparison.Ordinal) && Interlocked.Increment(ref lost) == 1
            ? new S3Fault { Cut = cut, Status = cut ? null : status, AfterWork = true }
            : null;

        (await store.PutAsync(Key, "content"u8.ToArray(), Token)).Should().Be(ObjectCommitResult.Created);

        lost.Should().Be(2, "the repetition met 412");
        (await store.ReadAllAsync(Key, Token)).Should().Equal("content"u8.ToArray());
    }

    [Fact]
    public async Task A_completion_whose_answer_was_lost_knows_its_own_object()
    {
        await using var store = _fixture.Store(o => o.SinglePutBytes = o.PartBytes = 5 << 20);
        var lost = 0;
        _fixture.Server.Fault = call => call.Method == "POST" && call.Query.Contains("uploadId", StringComparison.Ordinal) && Interlocked.Increment(ref lost) == 1
            ? new S3Fault { Cut = true, AfterWork = true }
            : null;
        var content = RandomNumberGenerator.GetBytes(6 << 20);

        (await store.PutAsync(Key, content, Token)).Should().Be(ObjectCommitResult.Created);

        lost.Should().Be(2);
        (await store.ReadAllAsync(Key, Token)).Should().Equal(content);
    }

    [Fact]
    public async Task A_body_that_breaks_off_is_an_error_of_the_reader()
    {
        await using var store = _fixture.Store();
        await store.PutAsync(Key, new byte[100_000], Token);
        _fixture.Server.Fault = call => call.Method == "GET" ? new S3Fault { BodyBytes = 50_000 } : null;

        (await store.Invoking(s => s.ReadAllAsync(Key, Token)).Should().ThrowAsync<IOException>()).Which.Message.Should().Contain(Key).And.Contain(store.Id);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task A_clock_that_is_an_hour_off_is_set_right_by_that_of_the_server(int hours)
    {
        _fixture.Server.ClockOffset = TimeSpan.FromHours(hours);
        await using var store = _fixture.Store();

        (await store.PutAsync(Key, "content"u8.ToArray(), Token)).Should().Be(ObjectCommitResult.Created);

        (await store.StatAsync(Key, Token)).Should().NotBeNull();
        (await store.ReadAllAsync(Key, Token)).Should().Equal("content"u8.ToArray());
    }

    [Theory]
    [InlineData(S3Conditions.Ignored)]
    [InlineData(S3Conditions.Unknown)]
    public async Task A_server_without_conditions_is_asked_before_each_write_and_warned_of_once(S3Conditions conditions)
    {
        using var log = new FakeLoggerFactory();
        await using var store = _fixture.Store(loggerFactory: log);
        _fixture.Server.Conditions = conditions;

        (await store.PutAsync(Key, "first"u8.ToArray(), Token)).Should().Be(ObjectCommitResult.Created);
        (await store.PutAsync(Key, "second"u8.ToArray(), Token)).Should().Be(ObjectCommitResult.AlreadyExists);

        (await store.ReadAllAsync(Key, Token)).Should().Equal("first"u8.ToArray());
        log.Lines.Should().ContainSingle(r => r.Id.Id == 7001 && r.Level == LogLevel.Warning);
    }

    [Fact]
    public async Task The_proof_of_conditions_takes_one_request_where_it_was_made_before()
    {
        var options = _fixture.Options();
        await using (var first = new S3ObjectStore(options))
            await first.PutAsync("a", "1"u8.ToArray(), Token);
        var before = _fixture.Server.Requests;

        await using var second = new S3ObjectStore(options);
        await second.PutAsync("b", "2"u8.ToArray(), Token);
        await second.PutAsync("c", "3"u8.ToArray(), Token);

        (_fixture.Server.Requests - before).Should().Be(3, "the proof, and one request for each object");
        (await second.ListAsync("", Token).Select(e => e.Key).ToListAsync(Token)).Should().BeEquivalentTo("a", "b", "c");
    }

    [Fact]
    public async Task A_server_that_stores_other_bytes_is_found_out_and_nothing_stays()
    {
        await using var store = _fixture.Store();
        _fixture.Server.Fault = call => call.Method == "PUT" && call.Key.EndsWith(Key, StringComparison.Ordinal) ? new S3Fault { Truncate = true } : null;

        await store.Invoking(s => s.PutAsync(Key, new byte[1000], Token)).Should().ThrowAsync<S3DamagedObjectException>();

        (await store.StatAsync(Key, Token)).Should().BeNull();
    }

    [Fact]
    public async Task Hostile_keys_stay_keys()
    {
        await using var store = _fixture.Store();
        string[] keys = ["a b+c&d=e?f#g", "ü/ß/😀", "quote'\"<>&;", "percent%2Fpercent", "plus+ +", "back\\slash", "..dots..", "star*(!)"];
        foreach (var key in keys)
            (await store.PutAsync(key, System.Text.Encoding.UTF8.GetBytes(key), Token)).Should().Be(ObjectCommitResult.Created);

        (await store.ListAsync("", Token).Select(e => e.Key).ToListAsync(Token)).Should().BeEquivalentTo(keys);
        foreach (var key in keys)
            (await store.ReadAllAsync(key, Token)).Should().Equal(System.Text.Encoding.UTF8.GetBytes(key));
    }

    [Fact]
    public void Options_that_cannot_work_are_told_at_once()
    {
        var act = () => new S3ObjectStore(new S3ObjectStoreOptions { AccessKey = "a", Prefix = "/x", Endpoint = new Uri("ftp://x"), PartBytes = 1 });

        act.Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(5);
    }

    private static Func<Task>[] All(S3ObjectStore store) =>
    [
        () => store.IdentifyAsync(Token),
        () => store.StatAsync(Key, Token),
        () => store.OpenReadAsync(Key, Token),
        () => store.ListAsync("", Token).ToListAsync(Token).AsTask(),
        () => store.ListAsync("", 0, Token).ToListAsync(Token).AsTask(),
        () => store.PutAsync(Key, "content"u8.ToArray(), Token),
        () => store.DeleteAsync(Key, Token),
        () => store.RemoveAbandonedAsync(DateTimeOffset.UtcNow, cancellationToken: Token),
    ];
}
