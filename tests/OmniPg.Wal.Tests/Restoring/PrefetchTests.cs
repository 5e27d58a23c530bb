using OmniPg.Compression;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Restoring;

public sealed class PrefetchTests(WalWorkloads workloads) : IDisposable
{
    private readonly RestoreFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Prefetched_segments_come_from_the_spool_and_equal_the_originals()
    {
        var workload = await FillAsync(12);
        var restorer = _fixture.Restorer(Options());
        using var stop = new CancellationTokenSource();
        await TakeAsync(restorer, workload.Segments[0]);
        var run = restorer.RunPrefetchAsync(stop.Token);

        var fromSpool = 0;
        foreach (var segment in workload.Segments.Skip(1).Take(11))
        {
            await RestoreFixture.UntilAsync(() => File.Exists(SpoolFile(segment)) || run.IsCompleted, $"'{segment}' is in the spool");
            run.IsCompleted.Should().BeFalse(run.Exception?.ToString() ?? "the run goes on");
            fromSpool += await TakeAsync(restorer, segment) ? 1 : 0;
            File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual(workload.Read(segment)).Should().BeTrue();
        }

        fromSpool.Should().Be(11);
        await stop.CancelAsync();
        await run.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Run_keeps_no_more_than_its_queue_and_writes_nothing_for_segments_that_are_not_archived_yet()
    {
        var workload = await FillAsync(4);
        var restorer = _fixture.Restorer(Options());
        using var stop = new CancellationTokenSource();
        await TakeAsync(restorer, workload.Segments[0]);

        var run = restorer.RunPrefetchAsync(stop.Token);
        await RestoreFixture.UntilAsync(() => Spooled().Count() == 3, "three segments are in the spool");
        RestoreFixture.Put(_fixture.First, workload.Segments[4], workload.Read(workload.Segments[4]), Codec.Zstd);
        await RestoreFixture.UntilAsync(() => Spooled().Count() == 4, "the fourth follows when it is archived");

        Spooled().Should().Equal(workload.Segments.Skip(1).Take(4).Select(s => s.ToString()));
        await stop.CancelAsync();
        await run.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Spooled_file_that_changed_is_discarded_and_fetched_again()
    {
        var workload = await FillAsync(3);
        var restorer = _fixture.Restorer(Options());
        Directory.CreateDirectory(Path.GetDirectoryName(SpoolFile(workload.Segments[1]))!);
        await File.WriteAllBytesAsync(SpoolFile(workload.Segments[1]), workload.Read(workload.Segments[1]).With(b => b[^9000] ^= 4), TestContext.Current.CancellationToken);

        var fromSpool = await TakeAsync(restorer, workload.Segments[1]);

        fromSpool.Should().BeFalse();
        File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual(workload.Read(workload.Segments[1])).Should().BeTrue();
        File.Exists(SpoolFile(workload.Segments[1])).Should().BeFalse();
        _fixture.Logs.Lines.Should().Contain(l => l.Id.Id == 2208);
    }

    [Fact]
    public async Task Run_removes_what_the_server_is_past_and_what_nobody_will_finish()
    {
        var workload = await FillAsync(8);
        var restorer = _fixture.Restorer(Options());
        await TakeAsync(restorer, workload.Segments[3]);
        await File.WriteAllBytesAsync(SpoolFile(workload.Segments[1]), workload.Read(workload.Segments[1]), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(_fixture.Spool, "get", $".{workload.Segments[2]}.abc.tmp"), "torn", TestContext.Current.CancellationToken);
        using var stop = new CancellationTokenSource();

        var run = restorer.RunPrefetchAsync(stop.Token);
        await RestoreFixture.UntilAsync(() => File.Exists(SpoolFile(workload.Segments[5])), "the run works");

        Spooled().Should().NotContain(workload.Segments[1].ToString());
        Directory.EnumerateFiles(Path.Combine(_fixture.Spool, "get"), $".{workload.Segments[2]}.*").Should().BeEmpty();
        await stop.CancelAsync();
        await run.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Second_run_on_a_spool_ends_at_once()
    {
        var workload = await FillAsync(2);
        var restorer = _fixture.Restorer(Options());
        using var stop = new CancellationTokenSource();
        await TakeAsync(restorer, workload.Segments[0]);

        var first = restorer.RunPrefetchAsync(stop.Token);
        await RestoreFixture.UntilAsync(() => restorer.IsPrefetchRunning, "the first run holds the spool");
        var second = await _fixture.Restorer(Options()).RunPrefetchAsync(TestContext.Current.CancellationToken);

        second.Should().BeFalse();
        await stop.CancelAsync();
        await first.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
        restorer.IsPrefetchRunning.Should().BeFalse();
    }

    [Fact]
    public async Task Run_ends_and_empties_the_spool_when_the_server_asks_no_more()
    {
        var workload = await FillAsync(5);
        var options = Options();
        options.Prefetch!.IdleTimeout = TimeSpan.FromMilliseconds(300);
        var restorer = _fixture.Restorer(options);
        await TakeAsync(restorer, workload.Segments[0]);

        var ran = await restorer.RunPrefetchAsync(TestContext.Current.CancellationToken);

        ran.Should().BeTrue();
        Spooled().Should().BeEmpty();
    }

    private WalRestoreOptions Options()
    {
        var options = _fixture.Options();
        options.Prefetch = new WalPrefetchOptions { Spool = _fixture.Spool, MaxParallelism = 2, QueueMaxBytes = 4 << 20 };
        return options;
    }

    private string SpoolFile(WalFileName name) => Path.Combine(_fixture.Spool, "get", name.ToString());

    private IEnumerable<string> Spooled() => Directory.EnumerateFiles(Path.Combine(_fixture.Spool, "get"))
        .Select(f => Path.GetFileName(f)!).Where(f => f[0] != '.').Order(StringComparer.Ordinal);

    private async Task<bool> TakeAsync(WalRestorer restorer, WalFileName name)
    {
        var outcome = await restorer.RestoreAsync(name.ToString(), _fixture.Target, TestContext.Current.CancellationToken);
        outcome.Status.Should().Be(WalRestoreStatus.Restored);
        return outcome.FromSpool;
    }

    private async Task<WalWorkload> FillAsync(int count)
    {
        var workload = await workloads.SmallSegmentsAsync();
        foreach (var segment in workload.Segments.Take(count))
            RestoreFixture.Put(_fixture.First, segment, workload.Read(segment), Codec.Zstd);
        return workload;
    }
}
