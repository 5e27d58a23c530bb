using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Buckets;

/// <summary>Compressed and encrypted segments in a bucket: lost connections, "later", slowness, repeated writes, a wrong key and a rotated one.</summary>
public sealed class EncryptedBucketTests(WalWorkloads workloads) : IAsyncLifetime
{
    private readonly WalEncryptionKey _old = WalEncryptionKey.Generate();
    private readonly WalEncryptionKey _new = WalEncryptionKey.Generate();
    private ArchiveScene _scene = null!;
    private S3Endpoint _bucket = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Target => Path.Combine(_scene.Root, "target");

    private string Key => $"prod/{_scene.Segment}.zst.enc";

    public async ValueTask InitializeAsync()
    {
        _scene = new ArchiveScene(await workloads.SmallSegmentsAsync());
        _bucket = await S3Endpoint.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _bucket.DisposeAsync();
        _scene.Dispose();
    }

    [Theory]
    [InlineData("503")]
    [InlineData("cut")]
    public async Task A_segment_that_was_not_taken_goes_there_with_the_next_call(string trouble)
    {
        _bucket.Fault = call => call.Method == "PUT" && call.Key == Key ? BucketTrouble.Make(trouble) : null;
        await Awaiting(_scene.Segment, _old).Should().ThrowAsync<WalDeliveryException>();
        _bucket.Fault = static _ => null;

        var result = await ArchiveAsync(_scene.Segment, _old);

        result.Destinations.Single().Status.Should().Be(WalDeliveryStatus.Stored);
        await RequireRestoredAsync(_scene.Segment, _old);
    }

    [Fact]
    public async Task A_segment_whose_answer_was_lost_is_equal_although_its_bytes_would_be_others_now()
    {
        _bucket.Fault = call => call.Method == "PUT" && call.Key == Key ? new S3Fault { Cut = true, AfterWork = true } : null;
        await Awaiting(_scene.Segment, _old).Should().ThrowAsync<WalDeliveryException>();
        _bucket.Fault = static _ => null;
        var stored = _bucket.Get(Key);

        var result = await ArchiveAsync(_scene.Segment, _old);

        result.Destinations.Single().Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        _bucket.Get(Key).Should().Equal(stored);
        await RequireRestoredAsync(_scene.Segment, _old);
    }

    [Fact]
    public async Task A_slow_bucket_only_takes_its_time()
    {
        _bucket.Fault = static _ => new S3Fault { Hold = Task.Delay(TimeSpan.FromMilliseconds(200)) };

        await ArchiveAsync(_scene.Segment, _old);

        await RequireRestoredAsync(_scene.Segment, _old);
    }

    [Fact]
    public async Task A_body_that_breaks_off_is_trouble_of_the_bucket_and_no_damage_of_what_is_encrypted()
    {
        await ArchiveAsync(_scene.Segment, _old);
        _bucket.Fault = call => call.Method == "GET" && call.Key == Key ? new S3Fault { BodyBytes = 10_000 } : null;

        await FluentActions.Awaiting(() => RestoreAsync(_scene.Segment, _old)).Should().ThrowAsync<WalSourceException>();
    }

    [Fact]
    public async Task A_rotated_key_writes_and_the_old_one_still_reads_and_a_wrong_one_makes_nothing_missing()
    {
        var (first, second) = (_scene.Segments[1], _scene.Segments[2]);
        await ArchiveAsync(first, _old);
        await ArchiveAsync(second, _new, _old);
        var again = await ArchiveAsync(first, _new, _old);

        again.Destinations.Single().Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        foreach (var segment in (WalFileName[])[first, second])
            await RequireRestoredAsync(segment, _new, _old);
        var failure = (await FluentActions.Awaiting(() => RestoreAsync(first, _new)).Should().ThrowAsync<WalSourceException>()).Which;
        failure.Failures.Single().Error.Should().BeOfType<WalEncryptionException>().Which.Message.Should().Contain(_old.Id);
    }

    private Func<Task<WalArchiveResult>> Awaiting(WalFileName segment, params WalEncryptionKey[] keys) => () => ArchiveAsync(segment, keys);

    private async Task<WalArchiveResult> ArchiveAsync(WalFileName segment, params WalEncryptionKey[] keys)
    {
        await using var bucket = BucketTrouble.Store(_bucket, "prod");
        await using var archiver = _scene.Archiver().To(d => d.Store(new EncryptedObjectStore(bucket, new WalKeyRing(keys))).Compress(Codec.Zstd)).Build();
        return await archiver.ArchiveAsync(_scene.Add(segment), Token);
    }

    private async Task<WalRestoreResult> RestoreAsync(WalFileName segment, params WalEncryptionKey[] keys)
    {
        await using var bucket = BucketTrouble.Store(_bucket, "prod");
        var options = new WalRestoreOptions { DataDirectory = _scene.DataDirectory, RetryTimeout = TimeSpan.Zero, Sources = [new WalRestoreSource(new EncryptedObjectStore(bucket, new WalKeyRing(keys)), Codec.Zstd)] };
        return await new WalRestorer(options).RestoreAsync(segment.ToString(), Target, Token);
    }

    private async Task RequireRestoredAsync(WalFileName segment, params WalEncryptionKey[] keys)
    {
        (await RestoreAsync(segment, keys)).Status.Should().Be(WalRestoreStatus.Restored);
        File.ReadAllBytes(Target).AsSpan().SequenceEqual(_scene.Original(segment)).Should().BeTrue();
    }
}
