using Microsoft.Extensions.Logging;
using OmniPg.Shared;
using OmniPg.Testing;
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
        await TakeAsync(restorer, workload.Segments[0]);
        using var run = FileLock.TryAcquireForProcess(Path.Combine(_fixture.Spool, "get", ".lock"));
        await File.WriteAllBytesAsync(SpoolFile(workload.Segments[1]), workload.Read(workload.Segments[1]).With(b => b[^9000] ^= 4), TestContext.Current.CancellationToken);

        var fromSpool = await TakeAsync(restorer, workload.Segments[1]);

        fromSpool.Should().BeFalse();
        File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual(workload.Read(workload.Segments[1])).Should().BeTrue();
        File.Exists(SpoolFile(workload.Segments[1])).Should().BeFalse();
        _fixture.Logs.Lines.Should().Contain(l => l.Id.Id == 2208);
    }

    [Fact]
    public async Task Prefetched_segment_that_changed_since_is_discarded_and_fetched_again()
    {
        var workload = await FillAsync(3);
        var name = workload.Segments[1];
        var restorer = _fixture.Restorer(Options());
        using var stop = new CancellationTokenSource();
        await TakeAsync(restorer, workload.Segments[0]);
        var run = restorer.RunPrefetchAsync(stop.Token);
        await RestoreFixture.UntilAsync(() => File.Exists(SpoolFile(name)), "the run has fetched");
        File.Exists(SpoolFile(name) + ".ok").Should().BeTrue("it was validated before it got its name");
        Damage(SpoolFile(name));

        var fromSpool = await TakeAsync(restorer, name);

        fromSpool.Should().BeFalse();
        File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual(workload.Read(name)).Should().BeTrue();
        _fixture.Logs.Lines.Should().Contain(l => l.Id.Id == 2208);
        // Between the discard and the new position the run may fetch it once more; what lies behind the server goes.
        await TakeAsync(restorer, workload.Segments[2]);
        await RestoreFixture.UntilAsync(() => !File.Exists(SpoolFile(name)) && !File.Exists(SpoolFile(name) + ".ok"), "nothing of it stays");
        await stop.CancelAsync();
        await run.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Copy_that_is_damaged_in_the_archive_is_fetched_ahead_from_the_next_source()
    {
        var workload = await FillAsync(3);
        var name = workload.Segments[1];
        File.Delete(Path.Combine(_fixture.First, $"{name}.zst"));
        RestoreFixture.Put(_fixture.First, name, workload.Read(name).With(b => b[^9000] ^= 4), Codec.Zstd);
        RestoreFixture.Put(_fixture.Second, name, workload.Read(name), Codec.Zstd);
        var restorer = _fixture.Restorer(Options(_fixture.First, _fixture.Second));
        using var stop = new CancellationTokenSource();
        await TakeAsync(restorer, workload.Segments[0]);
        var run = restorer.RunPrefetchAsync(stop.Token);
        await RestoreFixture.UntilAsync(() => File.Exists(SpoolFile(name)), "the run has fetched");

        var fromSpool = await TakeAsync(restorer, name);

        fromSpool.Should().BeTrue();
        File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual(workload.Read(name)).Should().BeTrue();
        _fixture.Logs.Lines.Should().Contain(l => l.Id.Id == 2203);
        await stop.CancelAsync();
        await run.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Half_a_segment_is_not_fetched_ahead_for_the_whole_one_that_may_come()
    {
        var workload = await FillAsync(3);
        var name = workload.Segments[1];
        var bytes = workload.Read(name);
        File.Delete(Path.Combine(_fixture.First, $"{name}.zst"));
        RestoreFixture.Put(_fixture.First, WalFileName.Parse(name + ".partial"), bytes[..(bytes.Length / 2)], Codec.Zstd);
        var options = Options();
        options.UsePartial = true;
        var restorer = _fixture.Restorer(options);
        using var stop = new CancellationTokenSource();
        await TakeAsync(restorer, workload.Segments[0]);
        var run = restorer.RunPrefetchAsync(stop.Token);
        await RestoreFixture.UntilAsync(() => File.Exists(SpoolFile(workload.Segments[2])), "the run has fetched the next one");
        RestoreFixture.Put(_fixture.First, name, bytes, Codec.Zstd);

        await TakeAsync(restorer, name);

        File.ReadAllBytes(_fixture.Target).AsSpan().SequenceEqual(bytes).Should().BeTrue();
        await stop.CancelAsync();
        await run.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Run_removes_what_the_server_is_past_and_what_nobody_will_finish()
    {
        var workload = await FillAsync(8);
        var restorer = _fixture.Restorer(Options());
        await TakeAsync(restorer, workload.Segments[3]);
        await File.WriteAllBytesAsync(SpoolFile(workload.Segments[1]), workload.Read(workload.Segments[1]), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(Folder, $".{workload.Segments[2]}.abc.tmp"), "torn", TestContext.Current.CancellationToken);
        using var stop = new CancellationTokenSource();

        var run = restorer.RunPrefetchAsync(stop.Token);
        await RestoreFixture.UntilAsync(() => File.Exists(SpoolFile(workload.Segments[5])), "the run works");

        Spooled().Should().NotContain(workload.Segments[1].ToString());
        Directory.EnumerateFiles(Folder, $".{workload.Segments[2]}.*").Should().BeEmpty();
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

    [Fact]
    public async Task Files_of_a_run_that_was_killed_are_not_handed_out_and_go_with_the_next_run()
    {
        var workload = await FillAsync(3);
        var restorer = _fixture.Restorer(Options());
        await TakeAsync(restorer, workload.Segments[0]);
        await File.WriteAllBytesAsync(SpoolFile(workload.Segments[1]), workload.Read(workload.Segments[1]), TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(SpoolFile(workload.Segments[9]), workload.Read(workload.Segments[9]), TestContext.Current.CancellationToken);
        var version0 = Path.Combine(_fixture.Spool, "get", workload.Segments[2].ToString());
        await File.WriteAllBytesAsync(version0, workload.Read(workload.Segments[2]), TestContext.Current.CancellationToken);
        using var stop = new CancellationTokenSource();

        (await TakeAsync(restorer, workload.Segments[1])).Should().BeFalse();
        var run = restorer.RunPrefetchAsync(stop.Token);
        await RestoreFixture.UntilAsync(() => File.Exists(SpoolFile(workload.Segments[2])), "the run works");

        File.Exists(SpoolFile(workload.Segments[9])).Should().BeFalse();
        File.Exists(version0).Should().BeFalse();
        await stop.CancelAsync();
        await run.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
    }

    [Theory]
    [InlineData("source")]
    [InlineData("source under the same path")]
    [InlineData("data directory under the same path")]
    [InlineData("order of the sources")]
    public async Task What_was_fetched_for_another_server_or_from_other_sources_is_never_handed_out(string other)
    {
        var workload = await FillAsync(3);
        foreach (var segment in workload.Segments.Take(3))
            RestoreFixture.Put(_fixture.Second, segment, workload.Read(segment), Codec.Zstd);
        using var stop = new CancellationTokenSource();
        var first = _fixture.Restorer(Options(_fixture.First, _fixture.Second));
        await TakeAsync(first, workload.Segments[0]);
        var run = first.RunPrefetchAsync(stop.Token);
        await RestoreFixture.UntilAsync(() => File.Exists(SpoolFile(workload.Segments[1])), "the run has fetched");
        if (other == "source under the same path")
            Replace(_fixture.First);
        if (other == "data directory under the same path")
            Replace(_fixture.Data);
        string[] sources = other switch { "source" => [_fixture.Second], "order of the sources" => [_fixture.Second, _fixture.First], _ => [_fixture.First, _fixture.Second] };

        (await TakeAsync(_fixture.Restorer(Options(sources)), workload.Segments[1])).Should().BeFalse();

        run.IsCompleted.Should().BeFalse("the other run holds the spool all the time");
        await stop.CancelAsync();
        await run.Invoking(r => r).Should().ThrowAsync<OperationCanceledException>();
    }

    [Theory]
    [InlineData("file")]
    [InlineData("proc")]
    [InlineData("get")]
    [InlineData("lock")]
    public async Task Spool_that_cannot_be_used_costs_one_warning_and_nothing_else(string trouble)
    {
        var workload = await FillAsync(3);
        var options = Options();
        Break(options.Prefetch!, trouble);
        var restorer = _fixture.Restorer(options);

        foreach (var segment in workload.Segments.Take(3))
            (await TakeAsync(restorer, segment)).Should().BeFalse();
        (await restorer.RunPrefetchAsync(TestContext.Current.CancellationToken)).Should().BeFalse();
        restorer.IsPrefetchRunning.Should().BeFalse();

        _fixture.Logs.Lines.Where(l => l.Level >= LogLevel.Warning && l.Id.Id != 2209).Should().ContainSingle().Which.Id.Id.Should().Be(2212);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Spool_on_a_disk_that_is_full_or_read_only_costs_one_warning_and_nothing_else(bool full)
    {
        using var disk = TmpfsMount.TryCreate(40 << 10);
        Assert.SkipWhen(disk is null, "This process may not mount a file system.");
        var workload = await FillAsync(3);
        var options = Options();
        options.Prefetch!.Spool = Directory.CreateDirectory(Path.Combine(disk.Path, "spool")).FullName;
        if (full)
            Fill(Path.Combine(disk.Path, "ballast"));
        else
            disk.Remount(readOnly: true);
        var restorer = _fixture.Restorer(options);

        foreach (var segment in workload.Segments.Take(3))
            (await TakeAsync(restorer, segment)).Should().BeFalse();
        await restorer.RunPrefetchAsync(TestContext.Current.CancellationToken);

        _fixture.Logs.Lines.Where(l => l.Level >= LogLevel.Warning && l.Id.Id != 2209).Should().ContainSingle().Which.Id.Id.Should().Be(2212);
    }

    // With a time of its own, because the file system's clock ticks every few milliseconds only.
    private static void Damage(string path)
    {
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
        {
            var piece = new byte[1];
            var place = RandomAccess.GetLength(file) - 9000;
            RandomAccess.Read(file, piece, place);
            piece[0] ^= 4;
            RandomAccess.Write(file, piece, place);
        }

        File.SetLastWriteTimeUtc(path, File.GetLastWriteTimeUtc(path).AddSeconds(1));
    }

    private static void Fill(string path)
    {
        using var ballast = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        try
        {
            while (true)
                ballast.Write(new byte[1024]);
        }
        catch (IOException)
        {
            // That was the aim.
        }
    }

    private void Break(WalPrefetchOptions prefetch, string trouble)
    {
        if (trouble == "proc")
        {
            prefetch.Spool = "/proc/omnipg";
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(_fixture.Spool)!);
        if (trouble == "file")
            File.WriteAllText(_fixture.Spool, "");
        else if (trouble == "get")
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(_fixture.Spool).FullName, "get"), "");
        else
            Directory.CreateDirectory(Path.Combine(_fixture.Spool, "get", ".lock"));
    }

    private static void Replace(string directory)
    {
        Directory.Move(directory, directory + ".old");
        foreach (var folder in Directory.GetDirectories(directory + ".old", "*", SearchOption.AllDirectories).Prepend(directory + ".old"))
            Directory.CreateDirectory(directory + folder[(directory.Length + 4)..]);
        foreach (var file in Directory.GetFiles(directory + ".old", "*", SearchOption.AllDirectories))
            File.Copy(file, directory + file[(directory.Length + 4)..]);
    }

    private WalRestoreOptions Options(params string[] sources)
    {
        var options = _fixture.Options(sources);
        options.Prefetch = new WalPrefetchOptions { Spool = _fixture.Spool, MaxParallelism = 2, QueueMaxBytes = 4 << 20 };
        return options;
    }

    /// <summary>The folder of the one binding that has used the spool.</summary>
    private string Folder => Directory.GetDirectories(Path.Combine(_fixture.Spool, "get")).Single();

    private string SpoolFile(WalFileName name) => Path.Combine(Folder, name.ToString());

    private IEnumerable<string> Spooled() => Directory.EnumerateFiles(Folder)
        .Select(f => Path.GetFileName(f)!).Where(f => f[0] != '.' && Path.GetExtension(f) != ".ok").Order(StringComparer.Ordinal);

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
