using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class ParallelismAtOnceTests(WalWorkloads workloads) : ParallelismTests(workloads, inStages: false);

public sealed class ParallelismInStagesTests(WalWorkloads workloads) : ParallelismTests(workloads, inStages: true);

public abstract class ParallelismTests(WalWorkloads workloads, bool inStages) : ArchiveTests(workloads, inStages)
{
    [Theory]
    [InlineData(null, 5)]
    [InlineData(5, 5)]
    [InlineData(2, 2)]
    [InlineData(1, 1)]
    public async Task No_more_destinations_than_told_are_written_at_the_same_time(int? limit, int most)
    {
        var overlap = new Overlap();
        var stores = Enumerable.Range(0, 5).Select(i => new OverlapStore($"store {i}", overlap)).ToArray();
        var builder = Scene.Archiver().WithState(Scene.MakeDirectory("state"));
        foreach (var (store, i) in stores.Select((s, i) => (s, i)))
            builder.To(d => d.Store(store).Compress(i % 2 == 0 ? Codec.Zstd : Codec.None));
        if (limit is { } destinations)
            builder.With(o => o.MaxParallelism = destinations);
        await using var archiver = builder.Build();

        var result = await archiver.ArchiveAsync(Scene.Add(), Token);

        overlap.Most.Should().Be(most);
        result.Destinations.Should().OnlyContain(d => d.Status == WalDeliveryStatus.Stored && d.StoredBytes > 0 && d.Elapsed > TimeSpan.Zero && d.Error == null);
        foreach (var (store, i) in stores.Select((s, i) => (s, i)))
        {
            await using var content = await WalContent.OpenReadAsync(store, Scene.Segment + (i % 2 == 0 ? ".zst" : ""), Token);
            using var read = new MemoryStream();
            await content!.CopyToAsync(read, Token);
            read.ToArray().Should().Equal(Scene.Original(Scene.Segment));
        }
    }

    [Fact]
    public async Task A_segment_with_other_content_for_the_second_group_is_refused()
    {
        var path = Scene.Add();
        var stores = new[] { new MemoryObjectStore("one"), new MemoryObjectStore("two") };
        var reads = 0;
        var change = new ImmediateProgress(progress =>
        {
            // Behind the back of the file system: size and time of the second read are those of the first.
            if (progress.BytesRead != progress.TotalBytes || reads++ != 0)
                return;
            var time = File.GetLastWriteTimeUtc(Scene.Located(Scene.Segment));
            using (var file = new FileStream(Scene.Located(Scene.Segment), FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            {
                file.Seek(500_000, SeekOrigin.Begin);
                file.WriteByte((byte)(Scene.Original(Scene.Segment)[500_000] ^ 1));
            }

            File.SetLastWriteTimeUtc(Scene.Located(Scene.Segment), time);
        });
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state")).Validate(WalValidation.None).With(o => o.MaxParallelism = 1)
            .To(d => d.Store(stores[0])).To(d => d.Store(stores[1])).Build();

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(path, change, Token)).Should().ThrowAsync<WalInputException>()).Which;

        failure.Message.Should().Contain("changed while it was read: '1048576 bytes with XXH128 ");
        (await stores[0].StatAsync(Scene.Segment.ToString(), Token)).Should().NotBeNull();
        (await stores[1].StatAsync(Scene.Segment.ToString(), Token)).Should().BeNull();
    }

    [Fact]
    public async Task The_words_of_a_failing_program_are_kept_to_8_KiB()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a shell to write the test program.");
        await using var archiver = Scene.Archiver()
            .To(d => d.Pipe("/bin/sh", "-c", "cat > /dev/null; head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 3").Optional().Named("pipe")).Build();

        var result = await archiver.ArchiveAsync(Scene.Add(), Token);

        var destination = result.Destinations.Should().ContainSingle().Which;
        destination.Status.Should().Be(WalDeliveryStatus.Failed);
        destination.Elapsed.Should().BePositive();
        destination.Error!.Message.Should().Contain("exit code '3'").And.Contain("xxxthe end").And.Match(m => m.Length < 8192 + 500);
    }
}
