using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Cli;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Buckets;

/// <summary>A bucket among the destinations of an archiver, in every kind of trouble.</summary>
public sealed class ArchiveIntoBucketTests(WalWorkloads workloads) : IAsyncLifetime
{
    private ArchiveScene _scene = null!;
    private S3Endpoint _bucket = null!;

    public static TheoryData<string> Troubles => BucketTrouble.OfWriting;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Key => $"prod/{_scene.Segment}.zst";

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
    [MemberData(nameof(Troubles))]
    public async Task A_segment_that_the_bucket_does_not_take_is_not_archived_and_later_goes_there_alone(string trouble)
    {
        var archive = _scene.MakeDirectory("archive");
        await using var store = BucketTrouble.Store(_bucket, "prod", trouble);
        await using var archiver = Archiver(store, archive);
        _bucket.Fault = call => call.Method == "PUT" && call.Key == Key ? BucketTrouble.Make(trouble) : null;

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(_scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;
        var keys = _bucket.Keys;
        var beside = new FileInfo(Path.Combine(archive, $"{_scene.Segment}.zst")).LastWriteTimeUtc;
        _bucket.Fault = static _ => null;
        var result = await archiver.ArchiveAsync(_scene.Add(), Token);

        failure.IsTransient.Should().BeTrue("PostgreSQL asks again");
        failure.Failures.Should().ContainSingle().Which.Message.Should().Contain(store.Id).And.NotContain(S3Endpoint.SecretKey);
        keys.Should().NotContain(Key);
        result.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.Stored, WalDeliveryStatus.SkippedDone);
        Decode(Key).Should().Equal(_scene.Original(_scene.Segment));
        new FileInfo(Path.Combine(archive, $"{_scene.Segment}.zst")).LastWriteTimeUtc.Should().Be(beside);
    }

    [Fact]
    public async Task A_bucket_that_lets_nobody_remove_anything_is_archived_into()
    {
        var archive = _scene.MakeDirectory("archive");
        await using var store = BucketTrouble.Store(_bucket, "prod");
        await using var archiver = Archiver(store, archive);
        var removals = 0;
        _bucket.Fault = call =>
        {
            if (call.Method != "DELETE" && !(call.Method == "POST" && call.Query.Contains("delete", StringComparison.Ordinal)))
                return null;
            Interlocked.Increment(ref removals);
            return BucketTrouble.Make("403");
        };

        foreach (var segment in _scene.Segments)
            await archiver.ArchiveAsync(_scene.Add(segment), Token);
        var again = await archiver.ArchiveAsync(_scene.Add(_scene.Segments[0]), Token);

        removals.Should().Be(0);
        again.Destinations.Should().OnlyContain(d => d.Status == WalDeliveryStatus.AlreadyPresent);
        foreach (var segment in _scene.Segments)
            Decode($"prod/{segment}.zst").Should().Equal(_scene.Original(segment));
    }

    [Theory]
    [MemberData(nameof(Troubles))]
    public async Task A_bucket_in_trouble_from_the_first_request_on_is_not_begun(string trouble)
    {
        var archive = _scene.MakeDirectory("archive");
        await using var store = BucketTrouble.Store(_bucket, "prod", trouble);
        await using var archiver = Archiver(store, archive);
        _bucket.Fault = _ => BucketTrouble.Make(trouble);

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(_scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;

        failure.Failures.Should().ContainSingle().Which.Message.Should().Contain(store.Id);
        _bucket.Keys.Should().BeEmpty();
        ArchiveScene.Decode(Path.Combine(archive, $"{_scene.Segment}.zst")).Should().Equal(_scene.Original(_scene.Segment));
    }

    [Fact]
    public async Task A_segment_whose_answer_was_lost_is_found_equal_by_the_next_call()
    {
        await using var store = BucketTrouble.Store(_bucket, "prod");
        await using var archiver = Archiver(store);
        _bucket.Fault = call => call.Method == "PUT" && call.Key == Key ? new S3Fault { Cut = true, AfterWork = true } : null;

        await archiver.Awaiting(a => a.ArchiveAsync(_scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>();
        _bucket.Fault = static _ => null;
        var result = await archiver.ArchiveAsync(_scene.Add(), Token);

        result.Destinations.Should().ContainSingle().Which.Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        Decode(Key).Should().Equal(_scene.Original(_scene.Segment));
    }

    [Theory]
    [InlineData(S3Conditions.Honoured)]
    [InlineData(S3Conditions.Ignored)]
    [InlineData(S3Conditions.Unknown)]
    public async Task The_same_segment_again_is_equal_and_another_of_its_name_is_a_conflict_whatever_the_bucket_knows_of_conditions(S3Conditions conditions)
    {
        _bucket.Conditions = conditions;
        await using var store = BucketTrouble.Store(_bucket, "prod");
        await using var archiver = Archiver(store);
        await archiver.ArchiveAsync(_scene.Add(), Token);
        var stored = _bucket.Get(Key);
        await using var second = Archiver(store);
        var same = await second.ArchiveAsync(_scene.Add(), Token);
        await File.WriteAllBytesAsync(_scene.Located(_scene.Segment), _scene.Original(_scene.Segments[2]), Token);
        await using var third = Archiver(store, validation: WalValidation.None);

        var conflict = (await third.Awaiting(a => a.ArchiveAsync(ArchiveScene.PathOf(_scene.Segment), Token)).Should().ThrowAsync<WalConflictException>()).Which;

        same.Destinations.Single().Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        conflict.Message.Should().Contain(_scene.Segment.ToString()).And.Contain(store.Id);
        _bucket.Get(Key).Should().Equal(stored);
    }

    [Fact]
    public async Task Of_two_that_archive_one_segment_at_the_same_moment_both_succeed_and_one_has_written()
    {
        await using var store = BucketTrouble.Store(_bucket, "prod");
        await using var first = Archiver(store);
        await using var second = Archiver(store);
        await first.ArchiveAsync(_scene.Add(_scene.Segments[2]), Token);
        using var both = new CountdownEvent(2);
        // Each has looked, and found the key free, before either writes.
        _bucket.Fault = call => call.Method == "PUT" && call.Key == Key && !both.IsSet ? new S3Fault { Hold = Task.Run(() => { both.Signal(); both.Wait(TimeSpan.FromSeconds(30), Token); }) } : null;
        var path = _scene.Add();

        var results = await Task.WhenAll(first.ArchiveAsync(path, Token), second.ArchiveAsync(path, Token));

        results.Select(r => r.Destinations.Single().Status).Should().BeEquivalentTo([WalDeliveryStatus.Stored, WalDeliveryStatus.AlreadyPresent]);
        Decode(Key).Should().Equal(_scene.Original(_scene.Segment));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(-2)]
    public async Task A_clock_that_is_hours_off_is_reckoned_with(int hours)
    {
        _bucket.ClockOffset = TimeSpan.FromHours(hours);
        await using var store = BucketTrouble.Store(_bucket, "prod", retries: 2);
        await using var archiver = Archiver(store);

        var result = await archiver.ArchiveAsync(_scene.Add(), Token);

        result.Destinations.Should().ContainSingle().Which.Status.Should().Be(WalDeliveryStatus.Stored);
        Decode(Key).Should().Equal(_scene.Original(_scene.Segment));
    }

    [Fact]
    public async Task A_bucket_that_refuses_for_the_clock_is_told_with_the_next_step_and_loses_nothing()
    {
        await using var store = BucketTrouble.Store(_bucket, "prod");
        await using var archiver = Archiver(store);
        _bucket.Fault = call => call.Method == "PUT" && call.Key == Key ? new S3Fault { Status = 403, Error = "RequestTimeTooSkewed" } : null;

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(_scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;
        _bucket.Fault = static _ => null;
        var result = await archiver.ArchiveAsync(_scene.Add(), Token);

        failure.Failures.Should().ContainSingle().Which.Message.Should().Contain("error 'RequestTimeTooSkewed'").And.Contain("the clock of this machine").And.NotContain(S3Endpoint.SecretKey);
        result.Destinations.Single().Status.Should().Be(WalDeliveryStatus.Stored);
        Decode(Key).Should().Equal(_scene.Original(_scene.Segment));
    }

    [Fact]
    public async Task A_silent_bucket_ends_the_program_with_the_code_of_a_time_out()
    {
        _bucket.Fault = call => call.Method == "PUT" && call.Key == Key ? BucketTrouble.Make("silent") : null;

        var result = await WalProgram.RunAsync(
            "archive", "--data-dir", _scene.DataDirectory, "--dst-s3", "zstd=s3://omnipg/prod", "--s3-endpoint", _bucket.Url.AbsoluteUri, "--timeout", "1", "--begin", _scene.Add());

        result.ExitCode.Should().Be(11, result.Error);
        result.Error.Should().Contain("within '1 s'");
        _bucket.Keys.Should().NotContain(Key);
    }

    private WalArchiver Archiver(IObjectStore store, string? beside = null, WalValidation validation = WalValidation.Full)
    {
        var setup = _scene.Archiver().Validate(validation).To(d => d.Store(store).Compress(Codec.Zstd));
        return beside is null ? setup.Build() : setup.WithState(_scene.MakeDirectory("state")).To(d => d.Directory($"zstd={beside}")).Build();
    }

    private byte[] Decode(string key)
    {
        using var source = new MemoryStream(_bucket.Get(key));
        using var decoder = Codec.Zstd.Decompress(source);
        using var target = new MemoryStream();
        decoder.CopyTo(target);
        return target.ToArray();
    }
}
