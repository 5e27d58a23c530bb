using OmniPg.Testing;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class DestinationFaultAtOnceTests(WalWorkloads workloads) : DestinationFaultTests(workloads, inStages: false);

public sealed class DestinationFaultInStagesTests(WalWorkloads workloads) : DestinationFaultTests(workloads, inStages: true);

public abstract class DestinationFaultTests(WalWorkloads workloads, bool inStages) : ArchiveTests(workloads, inStages)
{
    [Theory]
    [InlineData(nameof(FaultAt.Create))]
    [InlineData(nameof(FaultAt.Write))]
    [InlineData(nameof(FaultAt.CommitBefore))]
    [InlineData(nameof(FaultAt.CommitAfter))]
    [InlineData(nameof(FaultAt.Stat))]
    public async Task One_failing_destination_leaves_the_others_whole(string fault)
    {
        var bad = new FaultyStore("bad", Enum.Parse<FaultAt>(fault), afterBytes: 50_000);
        var (archive, third) = (Scene.MakeDirectory("archive"), Scene.MakeDirectory("third"));
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state"))
            .To(d => d.Store(bad).Compress(Codec.Zstd)).To(d => d.Directory($"zstd={archive}")).To(d => d.Directory($"{Scene.BesideZstd}={third}")).Build();

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;

        failure.Failures.Should().ContainSingle().Which.Message.Should().Contain($"{fault} failed as told");
        ArchiveScene.Decode(Path.Combine(archive, Scene.Segment + ".zst")).Should().Equal(Scene.Original(Scene.Segment));
        ArchiveScene.Decode(Path.Combine(third, ArchiveScene.FilesIn(third).Single())).Should().Equal(Scene.Original(Scene.Segment));
    }

    [Fact]
    public async Task All_failures_are_reported_together()
    {
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state"))
            .To(d => d.Store(new FaultyStore("a", FaultAt.Create))).To(d => d.Store(new FaultyStore("b", FaultAt.Write)))
            .To(d => d.Store(new FaultyStore("c", FaultAt.CommitBefore))).Build();

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;

        failure.Message.Should().Be(
            $"'{Scene.Segment}' is not archived: 3 of 3 destinations failed. "
            + string.Join(' ', new[] { ("memory:a", "Create"), ("memory:b", "Write"), ("memory:c", "CommitBefore") }.Select(f =>
                $"Destination '{f.Item1}' did not take '{Scene.Segment}': {f.Item2} failed as told Hint: The next call sends the file only to the destinations that do not hold it yet."))
            + " Hint: Deliver again: only the failed destinations get the file.");
    }

    [Theory]
    [InlineData(nameof(FaultAt.HangInWrite))]
    [InlineData(nameof(FaultAt.HangInCommit))]
    public async Task A_hanging_destination_fails_at_its_time_limit_and_the_others_are_done(string fault)
    {
        var hanging = new FaultyStore("hanging", Enum.Parse<FaultAt>(fault));
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state"))
            .To(d => d.Store(hanging).Compress(Codec.Parse(Scene.BesideZstd)).Timeout(TimeSpan.FromMilliseconds(200))).To(d => d.Directory($"zstd={archive}")).Build();

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token).WaitAsync(TimeSpan.FromSeconds(30), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;

        failure.Failures.Should().ContainSingle().Which.Code.Should().Be("wal.destination.timeout");
        failure.Result.Destinations[1].Status.Should().Be(WalDeliveryStatus.Stored);
        hanging.Hanging.SetResult();
    }

    [Theory]
    [InlineData(nameof(FaultAt.HangInWrite))]
    [InlineData(nameof(FaultAt.HangInCommit))]
    public async Task An_optional_destination_that_makes_no_progress_is_left_behind(string fault)
    {
        var hanging = new FaultyStore("hanging", Enum.Parse<FaultAt>(fault));
        await using var archiver = Scene.Archiver().With(o => o.OptionalGrace = TimeSpan.FromMilliseconds(100))
            .To(d => d.Store(hanging).Compress(Codec.Parse(Scene.BesideZstd)).Optional()).To(d => d.Directory($"zstd={Scene.MakeDirectory("archive")}")).Build();

        var result = await archiver.ArchiveAsync(Scene.Add(), Token).WaitAsync(TimeSpan.FromSeconds(30), Token);

        result.IsArchived.Should().BeTrue();
        result.Destinations[0].Error!.Code.Should().Be("wal.destination.too-slow");
        hanging.Hanging.SetResult();
    }

    [Fact]
    public async Task Cancellation_ends_the_call_even_when_a_store_hangs_and_leaves_no_trace()
    {
        var hanging = new FaultyStore("hanging", FaultAt.HangInWrite);
        var archive = Scene.MakeDirectory("archive");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state"))
            .To(d => d.Store(hanging).Compress(Codec.Parse(Scene.BesideZstd))).To(d => d.Directory($"zstd={archive}")).Build();
        var call = archiver.ArchiveAsync(Scene.Add(), stop.Token);
        await Eventually.TrueAsync(() => hanging.Creations == 1, "the copy has begun", cancellationToken: Token);

        await stop.CancelAsync();

        await call.WaitAsync(TimeSpan.FromSeconds(30), Token).Awaiting(c => c).Should().ThrowAsync<OperationCanceledException>();
        ArchiveScene.FilesIn(archive).Should().BeEmpty();
        hanging.Hanging.SetResult();
    }

    [Fact]
    public async Task A_full_disk_fails_that_destination_and_the_next_call_resumes_there()
    {
        using var small = TmpfsMount.TryCreate(2 << 20);
        Assert.SkipWhen(small is null, "Mounting is not permitted here.");
        var filler = Path.Combine(small.Path, "somebody else's");
        await File.WriteAllBytesAsync(filler, new byte[(2 << 20) - 8192], Token);
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state")).BindTo(ArchiveBinding.None)
            .To(d => d.Directory($"{Scene.BesideZstd}={small.Path}").Named("full")).To(d => d.Directory($"zstd={archive}")).Build();

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalDeliveryException>()).Which;
        var left = ArchiveScene.FilesIn(small.Path);
        File.Delete(filler);
        var result = await archiver.ArchiveAsync(path, Token);

        failure.Failures.Should().ContainSingle().Which.Destination.Should().Be("full");
        failure.Message.Should().Contain("No space left on device");
        left.Should().Equal(Path.GetFileName(filler));
        result.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.Stored, WalDeliveryStatus.SkippedDone);
        ArchiveScene.Decode(Path.Combine(small.Path, ArchiveScene.FilesIn(small.Path).Single())).Should().Equal(Scene.Original(Scene.Segment));
        ArchiveScene.FilesIn(archive).Should().Equal(Scene.Segment + ".zst");
        ArchiveScene.FilesIn(Path.Combine(Scene.Root, "state")).Should().BeEmpty();
    }

    [Fact]
    public async Task A_read_only_destination_fails_and_is_resumed_when_it_is_writable()
    {
        using var disk = TmpfsMount.TryCreate(8 << 20);
        Assert.SkipWhen(disk is null, "Mounting is not permitted here.");
        string[] archives = [Scene.MakeDirectory("one"), Scene.MakeDirectory("two")];
        var path = Scene.Add();
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state"))
            .To(d => d.Directory($"{Scene.BesideZstd}={archives[0]}")).To(d => d.Directory($"zstd={disk.Path}").Named("third")).To(d => d.Directory($"zstd={archives[1]}")).Build();
        await archiver.ArchiveAsync(Scene.Add(Scene.Segments[0]), Token);
        disk.Remount(readOnly: true);

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalDeliveryException>()).Which;
        disk.Remount(readOnly: false);
        var result = await archiver.ArchiveAsync(path, Token);

        failure.Failures.Should().ContainSingle().Which.Destination.Should().Be("third");
        failure.Message.Should().Contain("Read-only file system");
        result.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.SkippedDone, WalDeliveryStatus.Stored, WalDeliveryStatus.SkippedDone);
        ArchiveScene.Decode(Path.Combine(disk.Path, Scene.Segment + ".zst")).Should().Equal(Scene.Original(Scene.Segment));
    }

    [Fact]
    public async Task A_vanished_destination_fails_and_is_not_made_anew()
    {
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();
        await archiver.ArchiveAsync(Scene.Add(Scene.Segments[0]), Token);
        Directory.Delete(archive, recursive: true);

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;

        failure.Message.Should().Contain($"The directory '{archive}' does not exist or cannot be reached.");
        Directory.Exists(archive).Should().BeFalse();
    }

    [Fact]
    public async Task An_optional_destination_that_hangs_with_the_last_bytes_is_left_behind()
    {
        var path = Scene.AddText("00000002.history", "1\t0/3000000\tno recovery target specified\n");
        var hanging = new FaultyStore("hanging", FaultAt.HangInWrite);
        await using var archiver = Scene.Archiver().With(o => o.OptionalGrace = TimeSpan.FromMilliseconds(100))
            .To(d => d.Store(new MemoryObjectStore("good"))).To(d => d.Store(hanging).Optional()).Build();

        var result = await archiver.ArchiveAsync(path, Token).WaitAsync(TimeSpan.FromSeconds(30), Token);

        result.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.Stored, WalDeliveryStatus.Failed);
        result.Destinations[1].Error!.Code.Should().Be("wal.destination.too-slow");
        hanging.Hanging.SetResult();
    }

    [Theory]
    [InlineData(nameof(FaultAt.HangInStat))]
    [InlineData(nameof(FaultAt.HangInDurable))]
    public async Task A_destination_that_hangs_before_the_copy_keeps_nobody_longer_than_its_time(string step)
    {
        var path = Scene.Add();
        var hanging = new FaultyStore("hanging");
        await using var good = new MemoryObjectStore("good");
        await using (var before = Scene.Archiver().To(d => d.Store(hanging)).Build())
            await before.ArchiveAsync(path, Token);
        hanging.Fault = Enum.Parse<FaultAt>(step);
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state")).Timeout(TimeSpan.FromMilliseconds(500))
            .To(d => d.Store(good).Timeout(TimeSpan.FromMinutes(1))).To(d => d.Store(hanging)).Build();

        var call = Task.Run(() => archiver.ArchiveAsync(path, Token), Token);
        var failure = (await FluentActions.Awaiting(() => call.WaitAsync(TimeSpan.FromSeconds(30), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;

        failure.Failures.Should().ContainSingle().Which.Code.Should().Be("wal.destination.timeout");
        (await good.StatAsync(Scene.Segment.ToString(), Token)).Should().NotBeNull();
        hanging.Hanging.SetResult();
    }
}
