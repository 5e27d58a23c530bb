using OmniPg.Testing;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Restoring;

public sealed class WaitingTests(WalWorkloads workloads) : IDisposable
{
    private readonly RestoreFixture _fixture = new();
    private readonly WaitableTimeProvider _time = new(DateTimeOffset.UtcNow);

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Missing_segment_is_waited_for_until_it_comes()
    {
        var (name, bytes) = await SegmentAsync();
        var options = _fixture.Options();
        options.Missing = MissingPolicy.Wait();

        var restoring = StartAsync(name, options);
        await WaitsAsync();
        RestoreFixture.Put(_fixture.First, name, bytes, Codec.Zstd);
        _time.Advance(TimeSpan.FromSeconds(1));

        (await restoring).Status.Should().Be(WalRestoreStatus.Restored);
    }

    [Fact]
    public async Task Waiting_ends_at_its_timeout()
    {
        var options = _fixture.Options();
        options.Missing = MissingPolicy.Wait(TimeSpan.FromSeconds(1));

        var restoring = StartAsync(WalFileName.Parse("000000010000000000000001"), options);
        await WaitsAsync();
        _time.Advance(TimeSpan.FromSeconds(1));

        (await restoring).Status.Should().Be(WalRestoreStatus.NotFound);
    }

    [Theory]
    [InlineData("00000002.history")]
    [InlineData("000000010000000000000001.00000028.backup")]
    public async Task History_and_backup_files_never_wait(string name)
    {
        var options = _fixture.Options();
        options.Missing = MissingPolicy.Wait();

        var outcome = await StartAsync(WalFileName.Parse(name), options);

        outcome.Status.Should().Be(WalRestoreStatus.NotFound);
    }

    [Fact]
    public async Task History_that_was_missing_is_found_as_soon_as_it_is_there()
    {
        var name = WalFileName.ForHistory(2);
        var restorer = _fixture.Restorer(_fixture.Options());
        var token = TestContext.Current.CancellationToken;

        var before = await restorer.RestoreAsync(name.ToString(), _fixture.Target, token);
        RestoreFixture.Put(_fixture.First, name, "1\t0/5000000\tno recovery target specified\n"u8.ToArray(), Codec.Zstd);
        var after = await restorer.RestoreAsync(name.ToString(), _fixture.Target, token);

        before.Status.Should().Be(WalRestoreStatus.NotFound);
        after.Status.Should().Be(WalRestoreStatus.Restored);
        (await File.ReadAllTextAsync(_fixture.Target, token)).Should().StartWith("1\t0/5000000");
    }

    [Fact]
    public async Task Recovery_delay_counts_from_the_archived_files_time()
    {
        var (name, bytes) = await SegmentAsync();
        var path = RestoreFixture.Put(_fixture.First, name, bytes, Codec.None);
        File.SetLastWriteTimeUtc(path, _time.GetUtcNow().UtcDateTime);
        var options = _fixture.Options();
        options.RecoveryDelay = TimeSpan.FromSeconds(10);

        var restoring = StartAsync(name, options);
        for (var second = 0; second < 10; second++)
        {
            await WaitsAsync();
            File.Exists(_fixture.Target).Should().BeFalse();
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        await WaitsOrEndsAsync(restoring);
        _time.Advance(TimeSpan.FromSeconds(1));
        (await restoring).Status.Should().Be(WalRestoreStatus.Restored);
    }

    [Fact]
    public async Task Recovery_delay_can_count_from_the_last_commit()
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.First, name, bytes, Codec.None);
        var options = _fixture.Options();
        options.RecoveryDelay = TimeSpan.FromDays(1);
        options.DelayBasis = DelayBasis.LastCommit;
        _time.AdjustTime(DateTimeOffset.UtcNow.AddDays(2));

        (await StartAsync(name, options)).Status.Should().Be(WalRestoreStatus.Restored);
    }

    [Fact]
    public async Task Finish_trigger_with_now_ends_at_once_although_the_segment_is_there()
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.First, name, bytes, Codec.None);
        var options = _fixture.Options();
        options.FinishTrigger = _fixture.Combine("trigger");
        await File.WriteAllTextAsync(options.FinishTrigger, "NOW\n", TestContext.Current.CancellationToken);

        (await StartAsync(name, options)).Status.Should().Be(WalRestoreStatus.NotFound);
        File.Exists(_fixture.Target).Should().BeFalse();
    }

    [Theory]
    [InlineData("")]
    [InlineData("smart")]
    public async Task Other_finish_trigger_serves_without_delay_and_ends_at_the_first_missing_segment(string content)
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.First, name, bytes, Codec.None);
        var options = _fixture.Options();
        options.Missing = MissingPolicy.Wait();
        options.RecoveryDelay = TimeSpan.FromDays(100);
        options.FinishTrigger = _fixture.Combine("trigger");
        await File.WriteAllTextAsync(options.FinishTrigger, content, TestContext.Current.CancellationToken);

        var there = await StartAsync(name, options);
        var missing = await StartAsync(WalFileName.Parse("0000000100000000000000EE"), options);

        there.Status.Should().Be(WalRestoreStatus.Restored);
        missing.Status.Should().Be(WalRestoreStatus.NotFound);
    }

    [Fact]
    public async Task Unreadable_finish_trigger_is_an_error_and_not_a_finish()
    {
        var options = _fixture.Options();
        options.FinishTrigger = _fixture.Combine("loop");
        File.CreateSymbolicLink(options.FinishTrigger, options.FinishTrigger);
        Assert.SkipUnless(File.Exists(options.FinishTrigger), "A link to itself does not count as a file here.");

        var act = () => StartAsync(WalFileName.Parse("000000010000000000000001"), options);

        await act.Should().ThrowAsync<WalConfigurationException>();
    }

    [Fact]
    public async Task Finish_request_ends_a_waiting_restore()
    {
        var options = _fixture.Options();
        options.Missing = MissingPolicy.Wait();
        var restorer = _fixture.Restorer(options, _time);

        var restoring = restorer.RestoreAsync("000000010000000000000001", _fixture.Target, TestContext.Current.CancellationToken);
        await WaitsAsync();
        restorer.RequestFinish();
        _time.Advance(TimeSpan.FromSeconds(1));

        (await restoring).Status.Should().Be(WalRestoreStatus.NotFound);
    }

    [Fact]
    public async Task Cancelled_restore_leaves_no_file()
    {
        var (name, bytes) = await SegmentAsync();
        RestoreFixture.Put(_fixture.First, name, bytes, Codec.None);
        var options = _fixture.Options();
        options.RecoveryDelay = TimeSpan.FromDays(100);
        using var cancel = new CancellationTokenSource();

        var restoring = _fixture.Restorer(options, _time).RestoreAsync(name.ToString(), _fixture.Target, cancel.Token);
        await WaitsAsync();
        _fixture.FilesBesideTarget.Should().ContainSingle().Which.Should().EndWith(".tmp");
        await cancel.CancelAsync();

        await restoring.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
        _fixture.FilesBesideTarget.Should().BeEmpty();
    }

    private Task<WalRestoreResult> StartAsync(WalFileName name, WalRestoreOptions options) =>
        _fixture.Restorer(options, _time).RestoreAsync(name.ToString(), _fixture.Target, TestContext.Current.CancellationToken);

    private Task WaitsAsync() => RestoreFixture.UntilAsync(() => _time.WaitingTimers > 0, "the restore waits");

    private Task WaitsOrEndsAsync(Task task) => RestoreFixture.UntilAsync(() => _time.WaitingTimers > 0 || task.IsCompleted, "the restore waits or ends");

    private async Task<(WalFileName Name, byte[] Bytes)> SegmentAsync()
    {
        var workload = await workloads.SmallSegmentsAsync();
        return (workload.Segments[5], workload.Read(workload.Segments[5]));
    }
}
