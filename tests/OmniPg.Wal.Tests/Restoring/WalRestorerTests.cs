using Microsoft.Extensions.Options;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Restoring;

public sealed class WalRestorerTests(WalWorkloads workloads) : IDisposable
{
    private readonly RestoreFixture _fixture = new();

    public static TheoryData<string, WalLayout> Shapes => new()
    {
        { "none", WalLayout.Flat }, { "zstd", WalLayout.Flat }, { "lz4", WalLayout.Flat }, { "gzip", WalLayout.Flat }, { "brotli", WalLayout.Flat },
        { "none", WalLayout.Sharded }, { "zstd", WalLayout.Sharded },
    };

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Restore_finds_a_segment_in_every_codec_and_layout(string codec, WalLayout layout)
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.First, name, bytes, Codec.Parse(codec), layout);

        var outcome = await _fixture.RestoreAsync(name);

        outcome.Should().BeEquivalentTo(new { Status = WalRestoreStatus.Restored, File = name, RawBytes = (long)bytes.Length, FromSpool = false });
        File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual(bytes).Should().BeTrue();
        _fixture.FilesBesideTarget.Should().Equal("RECOVERYXLOG");
    }

    [Fact]
    public async Task Restore_decodes_by_content_and_not_by_extension()
    {
        var (name, bytes) = await SegmentAsync();
        var path = RestoreFixture.Put(_fixture.First, name, bytes, Codec.Zstd);
        File.Move(path, Path.Combine(_fixture.First, name.ToString()));

        var outcome = await _fixture.RestoreAsync(name);

        outcome.Status.Should().Be(WalRestoreStatus.Restored);
        File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual(bytes).Should().BeTrue();
    }

    [Fact]
    public async Task Restore_says_not_found_when_every_source_answered()
    {
        var outcome = await _fixture.RestoreAsync(WalFileName.Parse("0000000100000000000000AA"), _fixture.Options(_fixture.First, _fixture.Second));

        outcome.Should().BeEquivalentTo(new { Status = WalRestoreStatus.NotFound, Source = (string?)null, RawBytes = 0L });
        _fixture.FilesBesideTarget.Should().BeEmpty();
    }

    [Fact]
    public async Task Restore_skips_a_corrupt_copy_and_takes_the_next_source()
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.First, name, bytes.With(b => b[bytes.Length / 2] ^= 1), Codec.Zstd);
        RestoreFixture.Put(_fixture.Second, name, bytes, Codec.Lz4);

        var outcome = await _fixture.RestoreAsync(name, _fixture.Options(_fixture.First, _fixture.Second));

        outcome.Source.Should().Be($"directory:{_fixture.Second}");
        File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual(bytes).Should().BeTrue();
        _fixture.Logs.Lines.Should().Contain(l => l.Id.Id == 2203 && l.Message.Contains($"{name}.zst", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Restore_never_hands_out_the_only_copy_when_it_is_corrupt()
    {
        var (name, bytes) = await SegmentAsync();
        var path = RestoreFixture.Put(_fixture.First, name, bytes, Codec.Zstd);
        using (var file = File.OpenWrite(path))
            file.SetLength(file.Length - 100);

        var act = () => _fixture.RestoreAsync(name);

        (await act.Should().ThrowAsync<WalCorruptCopyException>()).Which.Should().BeEquivalentTo(
            new { Code = "wal.restore.corrupt", File = name.ToString(), IsTransient = false });
        _fixture.FilesBesideTarget.Should().BeEmpty();
    }

    [Fact]
    public async Task Restore_stops_a_decompression_bomb_at_the_size_of_a_segment()
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.First, name, [.. bytes, .. new byte[64 << 20]], Codec.Zstd);

        var act = () => _fixture.RestoreAsync(name);

        await act.Should().ThrowAsync<WalCorruptCopyException>().WithMessage($"*longer than the segment size '{bytes.Length}'*");
        _fixture.FilesBesideTarget.Should().BeEmpty();
    }

    [Fact]
    public async Task Restore_never_says_not_found_when_a_source_did_not_answer()
    {
        var (name, _) = await SegmentAsync();
        var gone = _fixture.Combine("not-mounted");

        var act = () => _fixture.RestoreAsync(name, _fixture.Options(gone, _fixture.Second));

        var error = (await act.Should().ThrowAsync<WalSourceException>()).Which;
        error.Code.Should().Be("wal.restore.source");
        error.IsTransient.Should().BeTrue();
        error.Failures.Should().ContainSingle().Which.Source.Should().Be($"directory:{gone}");
    }

    [Fact]
    public async Task Restore_takes_the_second_source_when_the_first_does_not_answer()
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.Second, name, bytes, Codec.Zstd);

        var outcome = await _fixture.RestoreAsync(name, _fixture.Options(_fixture.Combine("not-mounted"), _fixture.Second));

        outcome.Source.Should().Be($"directory:{_fixture.Second}");
    }

    [Fact]
    public async Task Restore_retries_trouble_until_the_storage_is_back()
    {
        var (name, bytes) = await SegmentAsync();
        var mount = _fixture.Combine("mount");
        var options = _fixture.Options(mount);
        options.RetryTimeout = TimeSpan.FromSeconds(60);
        var time = new WaitableTimeProvider();

        var restoring = _fixture.Restorer(options, time).RestoreAsync(name.ToString(), _fixture.Target, TestContext.Current.CancellationToken);
        await RestoreFixture.UntilAsync(() => time.WaitingTimers > 0, "the restore waits");
        Directory.CreateDirectory(mount);
        RestoreFixture.Put(mount, name, bytes, Codec.Zstd);
        await AdvanceUntilAsync(restoring, time);

        (await restoring).Status.Should().Be(WalRestoreStatus.Restored);
    }

    [Fact]
    public async Task Restore_gives_up_trouble_after_the_retry_time()
    {
        var options = _fixture.Options(_fixture.Combine("not-mounted"));
        options.RetryTimeout = TimeSpan.FromSeconds(60);
        var time = new WaitableTimeProvider();

        var restoring = _fixture.Restorer(options, time).RestoreAsync("000000010000000000000001", _fixture.Target, TestContext.Current.CancellationToken);
        await AdvanceUntilAsync(restoring, time);

        await restoring.Invoking(r => r).Should().ThrowAsync<WalSourceException>();
        (time.GetUtcNow() - new WaitableTimeProvider().GetUtcNow()).Should().BeCloseTo(TimeSpan.FromSeconds(58), TimeSpan.FromSeconds(6));
    }

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("00000001000000000000000")]
    [InlineData("0000000100000000000000011")]
    [InlineData("000000010000000000000001\n")]
    [InlineData("00000001000000000000000G")]
    [InlineData("000000010000000000000001.partial")]
    [InlineData(" 00000010000000000000001")]
    [InlineData("０00000010000000000000001")]
    [InlineData("")]
    public async Task Restore_refuses_what_is_no_file_name_before_it_touches_a_source(string name)
    {
        var act = () => _fixture.Restorer(_fixture.Options(_fixture.Combine("not-mounted"))).RestoreAsync(name, _fixture.Target, TestContext.Current.CancellationToken);

        await act.Should().ThrowAsync<ArgumentException>();
    }

    [Fact]
    public async Task Restore_accepts_lower_case_and_asks_for_upper_case()
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.First, name, bytes, Codec.None);

        var outcome = await _fixture.Restorer(_fixture.Options())
            .RestoreAsync(name.ToString().ToLowerInvariant(), _fixture.Target, TestContext.Current.CancellationToken);

        outcome.Status.Should().Be(WalRestoreStatus.Restored);
    }

    [Fact]
    public async Task Partial_segment_is_served_only_on_request_and_padded_to_a_segment()
    {
        var (name, bytes) = await SegmentAsync();
        var partial = WalFileName.Parse(name + ".partial");
        var valid = 4 * 8192;
        RestoreFixture.Put(_fixture.First, partial, bytes[..valid], Codec.Zstd);
        var options = _fixture.Options();
        options.UsePartial = true;

        var without = await _fixture.RestoreAsync(name);
        var with = await _fixture.RestoreAsync(name, options);

        without.Status.Should().Be(WalRestoreStatus.NotFound);
        with.Status.Should().Be(WalRestoreStatus.Restored);
        File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual([.. bytes[..valid], .. new byte[bytes.Length - valid]]).Should().BeTrue();
    }

    [Fact]
    public void Options_without_source_or_data_directory_are_refused()
    {
        var noSource = () => new WalRestorer(new WalRestoreOptions { DataDirectory = _fixture.Data });
        var noData = () => new WalRestorer(new WalRestoreOptions { DataDirectory = _fixture.First, Sources = [WalRestoreSource.Directory(_fixture.First)] });

        noSource.Should().Throw<OptionsValidationException>().WithMessage("Sources is empty: a restore needs at least one.");
        noData.Should().Throw<WalConfigurationException>().WithMessage($"The data directory '{_fixture.First}' has no file PG_VERSION.*");
    }

    [Fact]
    public async Task Target_that_cannot_be_written_is_named()
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.First, name, bytes, Codec.None);

        var act = () => _fixture.Restorer(_fixture.Options()).RestoreAsync(name.ToString(), "no/such/RECOVERYXLOG", TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<WalRestoreTargetException>().WithMessage("*no/such/RECOVERYXLOG*")).Which.Code.Should().Be("wal.restore.target");
    }

    [Fact]
    public async Task A_disk_that_is_full_below_the_target_leaves_nothing_of_the_file_there()
    {
        using var disk = TmpfsMount.TryCreate(256 << 10);
        Assert.SkipWhen(disk is null, "This account may not mount a file system.");
        var (name, bytes) = await SegmentAsync();
        var target = Path.Combine(disk.Path, "RECOVERYXLOG");
        foreach (var codec in (Codec[])[Codec.None, Codec.Zstd])
        {
            var archive = RestoreFixture.Begin(_fixture.Combine(codec.Name));
            RestoreFixture.Put(archive, name, bytes, codec);

            var act = () => _fixture.Restorer(_fixture.Options(archive)).RestoreAsync(name.ToString(), target, TestContext.Current.CancellationToken);

            var failure = (await act.Should().ThrowAsync<WalRestoreTargetException>()).Which;
            failure.Code.Should().Be("wal.restore.target");
            failure.Message.Should().Contain(target).And.Contain("No space left on device");
            Directory.GetFileSystemEntries(disk.Path).Should().BeEmpty("neither a short file nor a temporary one keeps the disk full");
        }
    }

    private static async Task AdvanceUntilAsync(Task task, WaitableTimeProvider time) => await RestoreFixture.UntilAsync(
        () =>
        {
            if (time.WaitingTimers > 0)
                time.Advance(TimeSpan.FromSeconds(1));
            return task.IsCompleted;
        },
        "the restore ends");

    private async Task<(WalFileName Name, byte[] Bytes)> SegmentAsync()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var name = workload.Segments[workload.Segments.Count / 2];
        return (name, workload.Read(name));
    }
}
