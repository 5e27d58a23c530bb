using OmniPg.Storage.S3;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Cli;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Buckets;

/// <summary>Restores from, and looks at, an archive whose bucket is in trouble: trouble is never absence, and never damage of a file.</summary>
public sealed class ReadFromBucketTests(WalWorkloads workloads) : IAsyncLifetime
{
    private const string Absent = "0000000100000000000000FE";
    private ArchiveScene _scene = null!;
    private S3Endpoint _bucket = null!;

    public static TheoryData<string> Troubles => BucketTrouble.Of;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Target => Path.Combine(_scene.Root, "target");

    private string Key => $"prod/{_scene.Segment}.zst";

    public async ValueTask InitializeAsync()
    {
        _scene = new ArchiveScene(await workloads.SmallSegmentsAsync());
        _bucket = await S3Endpoint.StartAsync();
        await using var store = BucketTrouble.Store(_bucket, "prod");
        await using var archiver = _scene.Archiver().To(d => d.Store(store).Compress(Codec.Zstd)).Build();
        foreach (var segment in _scene.Segments.Skip(1).Take(4))
            await archiver.ArchiveAsync(_scene.Add(segment), Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _bucket.DisposeAsync();
        _scene.Dispose();
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task A_bucket_in_trouble_does_not_say_that_a_segment_is_not_there_and_the_next_source_gives_it(string trouble)
    {
        await using var store = BucketTrouble.Store(_bucket, "prod", trouble);
        var second = _scene.MakeDirectory("second");
        await using (var archiver = _scene.Archiver().To(d => d.Directory($"zstd={second}")).Build())
            await archiver.ArchiveAsync(_scene.Add(), Token);
        _bucket.Fault = _ => BucketTrouble.Make(trouble);

        var failure = (await Awaiting(Restorer(store), _scene.Segment.ToString()).Should().ThrowAsync<WalSourceException>()).Which;
        var missing = (await Awaiting(Restorer(store, second), Absent).Should().ThrowAsync<WalSourceException>()).Which;
        var restored = await Restorer(store, second).RestoreAsync(_scene.Segment.ToString(), Target, Token);

        failure.Failures.Should().ContainSingle().Which.Error.Should().BeAssignableTo<S3Exception>();
        missing.Failures.Should().ContainSingle("the other source has proved that it has none");
        restored.Source.Should().Be($"directory:{second}");
        File.ReadAllBytes(Target).AsSpan().SequenceEqual(_scene.Original(_scene.Segment)).Should().BeTrue();
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task A_segment_that_is_not_there_is_missing_only_when_the_bucket_proves_that_it_is_the_archive(string trouble)
    {
        await using var store = BucketTrouble.Store(_bucket, "prod", trouble);
        var proven = await Restorer(store).RestoreAsync(Absent, Target, Token);
        _bucket.Fault = call => call.Key == $"prod/{WalArchiveMarker.Key}" ? BucketTrouble.Make(trouble) : null;

        var failure = (await Awaiting(Restorer(store), Absent).Should().ThrowAsync<WalSourceException>()).Which;

        proven.Status.Should().Be(WalRestoreStatus.NotFound);
        failure.Failures.Should().ContainSingle().Which.IsCorrupt.Should().BeFalse();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    [InlineData(-1)]
    public async Task A_body_that_breaks_off_is_asked_for_again_and_is_neither_a_segment_nor_a_damaged_one(int bytes)
    {
        await using var store = BucketTrouble.Store(_bucket, "prod");
        var length = _bucket.Get(Key).Length;
        var breaks = 0;
        _bucket.Fault = call => call is { Method: "GET" } && call.Key == Key && Interlocked.Decrement(ref breaks) >= 0 ? new S3Fault { BodyBytes = bytes < 0 ? length + bytes : bytes } : null;

        breaks = int.MaxValue;
        var failure = (await Awaiting(Restorer(store), _scene.Segment.ToString()).Should().ThrowAsync<WalException>()).Which;
        var left = Directory.GetFiles(_scene.Root);
        breaks = 1;
        var restored = await Restorer(store, wait: TimeSpan.FromSeconds(30)).RestoreAsync(_scene.Segment.ToString(), Target, Token);

        failure.Should().BeOfType<WalSourceException>().Which.IsTransient.Should().BeTrue();
        left.Should().BeEmpty();
        restored.Source.Should().Be(store.Id);
        File.ReadAllBytes(Target).AsSpan().SequenceEqual(_scene.Original(_scene.Segment)).Should().BeTrue();
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task A_verification_that_cannot_read_a_segment_gives_no_verdict(string trouble)
    {
        await using var store = BucketTrouble.Store(_bucket, "prod", trouble);
        _bucket.Fault = call => call.Key == Key ? BucketTrouble.Make(trouble) : null;

        await new WalRepository(store).Awaiting(r => r.VerifyAsync(cancellationToken: Token)).Should().ThrowAsync<S3Exception>();
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task A_listing_that_breaks_between_its_pages_is_no_shorter_archive(string trouble)
    {
        await using var store = BucketTrouble.Store(_bucket, "prod", trouble);
        _bucket.Fault = call => call.Query.Contains("continuation-token", StringComparison.Ordinal) ? BucketTrouble.Make(trouble) : null;

        await new WalRepository(store).Awaiting(r => r.VerifyAsync(cancellationToken: Token)).Should().ThrowAsync<S3Exception>();
    }

    [Fact]
    public async Task A_body_that_breaks_off_gives_no_verdict_of_its_segment()
    {
        await using var store = BucketTrouble.Store(_bucket, "prod");
        _bucket.Fault = call => call is { Method: "GET" } && call.Key == Key ? new S3Fault { BodyBytes = 1000 } : null;

        await new WalRepository(store).Awaiting(r => r.VerifyAsync(cancellationToken: Token)).Should().ThrowAsync<IOException>();
    }

    [Theory]
    [InlineData(255, "restore", "--force-data-dir", "--timeout", "0", "--source", "s3://omnipg/prod", "000000010000000000000001", "target")]
    [InlineData(10, "verify", "--archive", "s3://omnipg/prod")]
    [InlineData(10, "show", "--archive", "s3://omnipg/prod")]
    [InlineData(10, "cleanup", "--archive", "s3://omnipg/prod", "000000010000000000000002")]
    [InlineData(10, "backups", "--source", "s3://omnipg/prod")]
    [InlineData(10, "backup-restore", "--source", "s3://omnipg/prod", "--archive", "s3://omnipg/prod", "--to", "restored")]
    [InlineData(10, "backup-cleanup", "--backup-dir", "s3://omnipg/prod", "--archive", "s3://omnipg/prod", "--keep-days", "1")]
    [InlineData(10, "copy", "--archive", "s3://omnipg/prod", "--to", "copy")]
    [InlineData(3, "drill", "--source", "s3://omnipg/prod", "--archive", "s3://omnipg/prod")]
    [InlineData(3, "monitor", "--check", "gaps", "--format", "nagios", "--archive", "s3://omnipg/prod")]
    public async Task Whoever_is_not_let_in_is_told_so_by_the_code_for_trouble_and_without_the_secret(int code, params string[] words)
    {
        _bucket.Fault = static _ => BucketTrouble.Make("403");

        var result = await WalProgram.RunInAsync(_scene.MakeDirectory("empty"), "", [.. words, "--s3-endpoint", _bucket.Url.AbsoluteUri]);

        result.ExitCode.Should().Be(code, result.Output + result.Error);
        (result.Output + result.Error).Should().Contain("refused (status '403'").And.NotContain(S3Endpoint.SecretKey);
        Directory.GetFileSystemEntries(_scene.MakeDirectory("empty")).Should().BeEmpty();
    }

    private WalRestorer Restorer(IObjectStore store, string? second = null, TimeSpan wait = default)
    {
        var sources = second is null ? Array.Empty<WalRestoreSource>() : [WalRestoreSource.Directory(second)];
        return new WalRestorer(new WalRestoreOptions { DataDirectory = _scene.DataDirectory, RetryTimeout = wait, Sources = [new WalRestoreSource(store, Codec.Zstd), .. sources] });
    }

    private Func<Task<WalRestoreResult>> Awaiting(WalRestorer restorer, string name) => () => restorer.RestoreAsync(name, Target, Token);
}
