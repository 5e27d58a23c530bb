using OmniPg.Storage.Azure;
using OmniPg.Storage.Azure.Tests;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Cli;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Buckets;

/// <summary>A container of the emulator among the destinations of an archiver, in every kind of trouble.</summary>
public sealed class ArchiveIntoContainerTests(WalWorkloads workloads, AzuriteFixture azure) : IClassFixture<AzuriteFixture>, IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private ArchiveScene _scene = null!;

    /// <summary>What happens to a request that writes; the error, where one comes back, and what its message has to say.</summary>
    public static TheoryData<string, string, string> Troubles { get; } = new()
    {
        { "403", "AuthorizationFailure", "Look at the key" },
        { "403 skewed", "AuthenticationFailed", "the clock of this machine" },
        { "404", "ContainerNotFound", "create the container if this is its first use" },
        { "409", "BlobAlreadyExists", "not accepted (status '409'" },
        { "412", "ConditionNotMet", "not accepted (status '412'" },
        { "429", "TooManyRequests", "cannot answer now (status '429'" },
        { "500", "InternalError", "cannot answer now (status '500'" },
        { "503", "ServerBusy", "cannot answer now (status '503'" },
        { "cut", "", "cannot answer now (status '0'" },
        { "silent", "", "Cannot " },
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Key => $"{_scene.Segment}.zst";

    public async ValueTask InitializeAsync() => _scene = new ArchiveScene(await workloads.SmallSegmentsAsync());

    public ValueTask DisposeAsync()
    {
        _scene.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task A_segment_that_the_container_does_not_take_is_not_archived_and_later_goes_there_alone(string trouble, string error, string told)
    {
        var archive = _scene.MakeDirectory("archive");
        await using var store = Store(trouble);
        await using var archiver = Archiver(store, archive);
        azure.Proxy.Fault = call => call.Method == "PUT" && call.Key.EndsWith(Key, StringComparison.Ordinal) ? Make(trouble, error) : null;

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(_scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;
        azure.Proxy.Fault = static _ => null;
        var stored = await store.StatAsync(Key, Token);
        var beside = new FileInfo(Path.Combine(archive, Key)).LastWriteTimeUtc;
        var result = await archiver.ArchiveAsync(_scene.Add(), Token);

        failure.IsTransient.Should().BeTrue("PostgreSQL asks again");
        var reason = failure.Failures.Should().ContainSingle().Which;
        reason.Message.Should().Contain(store.Id).And.Contain(told).And.NotContain("AccountKey");
        reason.Hint.Should().NotBeNullOrEmpty();
        stored.Should().BeNull();
        result.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.Stored, WalDeliveryStatus.SkippedDone);
        (await DecodeAsync(store, Key)).Should().Equal(_scene.Original(_scene.Segment));
        new FileInfo(Path.Combine(archive, Key)).LastWriteTimeUtc.Should().Be(beside);
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task A_container_in_trouble_from_the_first_request_on_is_not_begun(string trouble, string error, string told)
    {
        var archive = _scene.MakeDirectory("archive");
        await using var store = Store(trouble);
        await using var archiver = Archiver(store, archive);
        azure.Proxy.Fault = _ => Make(trouble, error);

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(_scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;
        azure.Proxy.Fault = static _ => null;

        failure.Failures.Should().ContainSingle().Which.Message.Should().Contain(store.Id).And.Contain(told);
        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
        ArchiveScene.Decode(Path.Combine(archive, Key)).Should().Equal(_scene.Original(_scene.Segment));
    }

    [Fact]
    public async Task What_a_container_gives_back_too_short_is_trouble_and_no_conflict()
    {
        await using var store = Store();
        await using (var first = Archiver(store))
            await first.ArchiveAsync(_scene.Add(), Token);
        await using var second = Archiver(store);
        // The marker is what an archiver reads.
        azure.Proxy.Fault = static call => call.Method == "GET" && call.Key.EndsWith(WalArchiveMarker.Key, StringComparison.Ordinal) ? new S3Fault { BodyBytes = 0 } : null;

        var failure = (await second.Awaiting(a => a.ArchiveAsync(_scene.Add(_scene.Segments[2]), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;
        azure.Proxy.Fault = static _ => null;
        var again = await second.ArchiveAsync(_scene.Add(_scene.Segments[2]), Token);

        failure.IsTransient.Should().BeTrue();
        failure.Failures.Single().Message.Should().Contain(WalArchiveMarker.Key).And.Contain(store.Id);
        again.Destinations.Single().Status.Should().Be(WalDeliveryStatus.Stored);
        (await DecodeAsync(store, Key)).Should().Equal(_scene.Original(_scene.Segment));
    }

    [Fact]
    public async Task The_same_segment_again_is_equal_and_another_of_its_name_is_a_conflict()
    {
        await using var store = Store();
        await using (var first = Archiver(store))
            await first.ArchiveAsync(_scene.Add(), Token);
        await using var second = Archiver(store);
        var same = await second.ArchiveAsync(_scene.Add(), Token);
        await File.WriteAllBytesAsync(_scene.Located(_scene.Segment), _scene.Original(_scene.Segments[2]), Token);
        await using var third = Archiver(store, validation: WalValidation.None);

        var conflict = (await third.Awaiting(a => a.ArchiveAsync(ArchiveScene.PathOf(_scene.Segment), Token)).Should().ThrowAsync<WalConflictException>()).Which;

        same.Destinations.Single().Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        conflict.Message.Should().Contain(_scene.Segment.ToString()).And.Contain(store.Id);
        (await DecodeAsync(store, Key)).Should().Equal(_scene.Original(_scene.Segment));
    }

    [Fact]
    public async Task A_silent_container_ends_the_program_with_the_code_of_a_time_out()
    {
        var place = $"azure://{AzuriteFixture.Container}/{azure.NewPrefix()}";
        azure.Proxy.Fault = call => call.Method == "PUT" && call.Key.EndsWith(Key, StringComparison.Ordinal) ? Make("silent", "") : null;

        var result = await WalProgram.RunWithAsync(
            [("AZURE_STORAGE_CONNECTION_STRING", azure.Connection)], "archive", "--data-dir", _scene.DataDirectory, "--dst-azure", $"zstd={place}", "--timeout", "2", "--begin", _scene.Add());
        azure.Proxy.Fault = static _ => null;

        result.ExitCode.Should().Be(11, result.Error);
        result.Error.Should().Contain("within '2 s'").And.NotContain("AccountKey");
    }

    private static S3Fault Make(string trouble, string error) => trouble switch
    {
        "cut" => new S3Fault { Cut = true },
        "silent" => new S3Fault { Hold = Task.Delay(Timeout.InfiniteTimeSpan) },
        _ => new S3Fault { Status = int.Parse(trouble.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture), Error = error },
    };

    /// <summary>A store that says at once what the service said, and waits for a silent one only as long as a test can.</summary>
    private AzureBlobStore Store(string trouble = "") => azure.Store(o => (o.MaxRetries, o.RequestTimeout) = (0, trouble == "silent" ? Patience : TimeSpan.FromSeconds(60)));

    private WalArchiver Archiver(AzureBlobStore store, string? beside = null, WalValidation validation = WalValidation.Full)
    {
        var setup = _scene.Archiver().Validate(validation).To(d => d.Store(store).Compress(Codec.Zstd));
        return beside is null ? setup.Build() : setup.WithState(_scene.MakeDirectory("state")).To(d => d.Directory($"zstd={beside}")).Build();
    }

    private static async Task<byte[]> DecodeAsync(AzureBlobStore store, string key)
    {
        await using var source = await store.OpenReadAsync(key, Token);
        await using var decoder = Codec.Zstd.Decompress(source!);
        using var target = new MemoryStream();
        await decoder.CopyToAsync(target, Token);
        return target.ToArray();
    }
}
