using OmniPg.Testing;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class DeliveryAtOnceTests(WalWorkloads workloads) : DeliveryTests(workloads, inStages: false);

public sealed class DeliveryInStagesTests(WalWorkloads workloads) : DeliveryTests(workloads, inStages: true);

public abstract class DeliveryTests(WalWorkloads workloads, bool inStages) : ArchiveTests(workloads, inStages)
{
    [Fact]
    public async Task Every_destination_gets_the_same_content_in_its_own_codec_with_the_time_of_the_segment()
    {
        var path = Scene.Add();
        string[] codecs = ["none", "gzip", "brotli", "zstd", "lz4"];
        var builder = Scene.Archiver().WithState(Scene.MakeDirectory("state"));
        foreach (var codec in codecs)
            builder.To(d => d.Directory(Scene.MakeDirectory(codec)).Compress(Codec.Parse(codec)).Named(codec));
        await using var archiver = builder.Build();

        var result = await archiver.ArchiveAsync(path, Token);

        result.IsArchived.Should().BeTrue();
        result.RawBytes.Should().Be(1 << 20);
        result.Summary!.Level.Should().Be(WalValidation.Full);
        result.Destinations.Select(d => (d.Id, d.Status)).Should().Equal(codecs.Select(c => (c, WalDeliveryStatus.Stored)));
        foreach (var (codec, destination) in codecs.Zip(result.Destinations))
        {
            var file = Path.Combine(Scene.Root, codec, Scene.Segment + Codec.Parse(codec).Extension);
            ArchiveScene.FilesIn(Path.Combine(Scene.Root, codec)).Should().Equal(Path.GetFileName(file));
            ArchiveScene.Decode(file).Should().Equal(Scene.Original(Scene.Segment));
            File.GetLastWriteTimeUtc(file).Should().Be(new DateTime(2026, 5, 1, 12, 0, 0, DateTimeKind.Utc));
            destination.StoredBytes.Should().Be(new FileInfo(file).Length);
        }

        ArchiveScene.FilesIn(Path.Combine(Scene.Root, "state")).Should().BeEmpty();
    }

    [Fact]
    public async Task A_repeated_call_finds_the_file_and_writes_nothing()
    {
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory($"zstd:3={archive}")).Build();
        await archiver.ArchiveAsync(path, Token);
        var file = Path.Combine(archive, Scene.Segment + ".zst");
        File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch);

        var again = await archiver.ArchiveAsync(path, Token);

        again.Destinations.Should().ContainSingle().Which.Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        File.GetLastWriteTimeUtc(file).Should().Be(DateTime.UnixEpoch);
    }

    [Fact]
    public async Task A_file_left_by_a_killed_archiver_is_made_durable_before_it_counts()
    {
        var path = Scene.Add();
        await using var store = new FaultyStore("archive");
        await store.PutAsync(Scene.Segment.ToString(), Scene.Original(Scene.Segment), Token);
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).BindTo(ArchiveBinding.None).Build();

        var result = await archiver.ArchiveAsync(path, Token);

        result.Destinations.Should().ContainSingle().Which.Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        store.MadeDurable.Should().Equal(Scene.Segment.ToString());
    }

    [Fact]
    public async Task A_file_that_cannot_be_made_durable_does_not_count()
    {
        var path = Scene.Add();
        await using var store = new FaultyStore("archive", FaultAt.Durable);
        await store.PutAsync(Scene.Segment.ToString(), Scene.Original(Scene.Segment), Token);
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).BindTo(ArchiveBinding.None).Build();

        var act = () => archiver.ArchiveAsync(path, Token);

        (await act.Should().ThrowAsync<WalDeliveryException>()).Which.Message.Should().Contain("Durable failed as told");
    }

    [Fact]
    public async Task A_copy_in_another_codec_counts_as_present()
    {
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        await using (var before = Scene.Archiver().To(d => d.Directory($"gzip={archive}")).Build())
            await before.ArchiveAsync(path, Token);
        await using var after = Scene.Archiver().To(d => d.Directory($"lz4={archive}")).Build();

        var result = await after.ArchiveAsync(path, Token);

        result.Destinations.Should().ContainSingle().Which.Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        ArchiveScene.FilesIn(archive).Should().Equal(Scene.Segment + ".gz");
    }

    [Theory]
    [InlineData("gzip", ".gz", "zstd")]
    [InlineData("zstd", ".zst", "none")]
    [InlineData("none", "", "lz4")]
    [InlineData("lz4", ".lz4", "gzip")]
    public async Task A_copy_is_decoded_by_its_content_and_not_by_its_name(string codec, string extension, string really)
    {
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        var stored = Path.Combine(archive, Scene.Segment + extension);
        await using (var sink = Codec.Parse(really).Compress(File.Create(stored)))
            await sink.WriteAsync(Scene.Original(Scene.Segment), Token);
        await using var archiver = Scene.Archiver().BindTo(ArchiveBinding.Adopt).To(d => d.Directory($"{codec}={archive}")).Build();

        var result = await archiver.ArchiveAsync(path, Token);

        result.Destinations.Should().ContainSingle().Which.Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        ArchiveScene.FilesIn(archive).Should().Equal(Path.GetFileName(stored));
    }

    [Fact]
    public async Task A_stored_copy_that_expands_without_end_is_a_conflict()
    {
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        await using (var sink = Codec.Zstd.Compress(File.Create(Path.Combine(archive, Scene.Segment + ".zst"))))
            for (var i = 0; i < 64; i++)
                await sink.WriteAsync(Scene.Original(Scene.Segment), Token);
        await using var archiver = Scene.Archiver().BindTo(ArchiveBinding.Adopt).To(d => d.Directory($"zstd={archive}")).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalConflictException>().WithMessage("*It holds more than '1048576' bytes*");
    }

    [Fact]
    public async Task Other_content_under_the_name_is_a_conflict_and_nothing_is_written_anywhere()
    {
        var path = Scene.Add();
        var one = Scene.MakeDirectory("one");
        var two = Scene.MakeDirectory("two");
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state"))
            .To(d => d.Directory(one)).To(d => d.Directory($"zstd={two}")).BindTo(ArchiveBinding.None).Build();
        File.WriteAllText(Path.Combine(two, Scene.Segment + ".gz"), "not even gzip");

        var act = () => archiver.ArchiveAsync(path, Token);

        var conflict = (await act.Should().ThrowAsync<WalConflictException>()).Which;
        conflict.Code.Should().Be("wal.archive.conflict");
        conflict.File.Should().Be(Scene.Segment.ToString());
        conflict.SourceSha256.Should().HaveLength(64);
        conflict.StoredSha256.Should().StartWith("unreadable: ");
        ArchiveScene.FilesIn(one).Should().BeEmpty();
        ArchiveScene.FilesIn(two).Should().Equal(Scene.Segment + ".gz");
    }

    [Fact]
    public async Task A_conflict_names_both_hashes_and_keeps_both_files()
    {
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();
        await archiver.ArchiveAsync(path, Token);
        File.Copy(Path.Combine(archive, Scene.Segment.ToString()), Path.Combine(Scene.Root, "kept"));
        await File.WriteAllBytesAsync(Path.Combine(archive, Scene.Segment.ToString()), Scene.Original(Scene.Segments[2]), Token);

        var act = () => archiver.ArchiveAsync(path, Token);

        var conflict = (await act.Should().ThrowAsync<WalConflictException>()).Which;
        conflict.SourceSha256.Should().Be(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Scene.Original(Scene.Segment))));
        conflict.StoredSha256.Should().Be(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Scene.Original(Scene.Segments[2]))));
        File.ReadAllBytes(Path.Combine(archive, Scene.Segment.ToString())).Should().Equal(Scene.Original(Scene.Segments[2]));
    }

    [Fact]
    public async Task A_second_try_with_other_content_is_refused()
    {
        var path = Scene.AddText("00000002.history", "1\t0/3000000\tfirst\n");
        await using var one = new MemoryObjectStore("one");
        var two = new FaultyStore("two", FaultAt.CommitBefore);
        two.BeforeFault = () =>
        {
            two.Fault = FaultAt.Nothing;
            Scene.AddText("00000002.history", "1\t0/3000000\tother\n");
        };
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state"))
            .To(d => d.Store(one)).To(d => d.Store(two).Retry(2)).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalInputException>();

        (await two.ListAsync("", Token).Select(e => e.Key).ToListAsync(Token)).Should().Equal(WalArchiveMarker.Key);
    }

    [Fact]
    public async Task Temporary_files_that_cannot_be_removed_do_not_stop_the_archiving()
    {
        var path = Scene.AddText("00000002.history", "1\t0/3000000\tno recovery target specified\n");
        var attempts = 0;
        await using var store = new FaultyStore("archive", FaultAt.Tidy) { BeforeFault = () => attempts++ };
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).Build();

        var result = await archiver.ArchiveAsync(path, Token);

        result.IsArchived.Should().BeTrue();
        attempts.Should().Be(1);
    }

    [Fact]
    public async Task Copies_whose_hash_agrees_but_not_their_size_are_compared_byte_by_byte()
    {
        var path = Scene.Add();
        await using var equal = new MemoryObjectStore("equal");
        await using var other = new MemoryObjectStore("other");
        var claimed = ObjectContent.Of(Scene.Original(Scene.Segment)) with { RawBytes = 7 };
        await PutAsync(equal, Scene.Original(Scene.Segment), claimed);
        await PutAsync(other, Scene.Original(Scene.Segments[2]), claimed);
        await using var toEqual = Scene.Archiver().BindTo(ArchiveBinding.None).To(d => d.Store(equal)).Build();
        await using var toOther = Scene.Archiver().BindTo(ArchiveBinding.None).To(d => d.Store(other)).Build();

        (await toEqual.ArchiveAsync(path, Token)).Destinations.Should().ContainSingle().Which.Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
        await toOther.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalConflictException>();

        async Task PutAsync(MemoryObjectStore store, byte[] bytes, ObjectContent content)
        {
            await using var writer = await store.CreateAsync(Scene.Segment.ToString(), new ObjectInfo(), Token);
            await writer.WriteAsync(bytes, Token);
            (await writer.CommitAsync(content, Token)).Should().Be(ObjectCommitResult.Created);
        }
    }

    [Fact]
    public async Task An_optional_destination_may_fail_and_one_for_backups_may_be_absent()
    {
        var path = Scene.Add();
        var backup = Path.Combine(Scene.Root, "backup-xlogs");
        await using var archiver = Scene.Archiver()
            .To(d => d.Directory(Scene.MakeDirectory("archive")))
            .To(d => d.Directory(Path.Combine(Scene.Root, "missing")).Optional())
            .To(d => d.Directory(backup).WhenExists().Optional()).Build();

        var without = await archiver.ArchiveAsync(path, Token);
        Directory.CreateDirectory(backup);
        var with = await archiver.ArchiveAsync(path, Token);

        without.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.Stored, WalDeliveryStatus.Failed, WalDeliveryStatus.SkippedAbsent);
        with.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.AlreadyPresent, WalDeliveryStatus.Failed, WalDeliveryStatus.Stored);
        Directory.EnumerateFiles(backup).Select(Path.GetFileName).Should().Equal(Scene.Segment.ToString());
    }

    [Fact]
    public async Task A_failing_destination_is_retried_as_often_as_told()
    {
        var path = Scene.Add();
        var store = new FaultyStore("flaky", FaultAt.CommitBefore);
        await using var archiver = Scene.Archiver().To(d => d.Store(store).Retry(3)).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalDeliveryException>();

        store.Creations.Should().Be(3);
    }

    [Fact]
    public async Task A_copy_that_was_published_before_the_failure_is_found_by_the_next_call()
    {
        var path = Scene.Add();
        var store = new FaultyStore("late", FaultAt.CommitAfter);
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalDeliveryException>();
        store.Fault = FaultAt.Nothing;

        (await archiver.ArchiveAsync(path, Token)).Destinations[0].Status.Should().Be(WalDeliveryStatus.AlreadyPresent);
    }

    [Theory]
    [InlineData(WalLayout.Flat, "00000002.history.zst")]
    [InlineData(WalLayout.Sharded, "00000002.history")]
    public async Task A_history_file_is_stored_as_the_layout_says(WalLayout layout, string key)
    {
        var path = Scene.AddText("00000002.history", "1\t0/3000000\tno recovery target specified\n");
        await using var store = new MemoryObjectStore();
        await using var archiver = Scene.Archiver().To(d => d.Store(store).Compress(Codec.Zstd).Layout(layout)).Build();

        await archiver.ArchiveAsync(path, Token);

        (await store.ListAsync("", Token).Select(e => e.Key).ToListAsync(Token)).Should().BeEquivalentTo(key, WalArchiveMarker.Key);
        if (layout == WalLayout.Sharded)
            (await store.ReadAllAsync(key, Token)).Should().Equal("1\t0/3000000\tno recovery target specified\n"u8.ToArray());
    }

    [Fact]
    public async Task Two_archivers_at_once_leave_one_valid_file()
    {
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        await using var one = Scene.Archiver().To(d => d.Directory($"zstd={archive}")).Build();
        await using var two = Scene.Archiver().To(d => d.Directory($"zstd={archive}")).Build();

        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => (i % 2 == 0 ? one : two).ArchiveAsync(path, Token), Token)));

        results.Count(r => r.Destinations[0].Status == WalDeliveryStatus.Stored).Should().Be(1);
        results.Count(r => r.Destinations[0].Status == WalDeliveryStatus.AlreadyPresent).Should().Be(7);
        ArchiveScene.FilesIn(archive).Should().Equal(Scene.Segment + ".zst");
        ArchiveScene.Decode(Path.Combine(archive, Scene.Segment + ".zst")).Should().Equal(Scene.Original(Scene.Segment));
    }

    [Fact]
    public async Task A_whole_backlog_in_order_is_checked_over_the_edges_of_its_segments()
    {
        await using var archiver = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        var summaries = new List<WalValidationResult>();

        foreach (var segment in Scene.Segments)
            summaries.Add((await archiver.ArchiveAsync(Scene.Add(segment), Token)).Summary!);

        summaries[0].EdgesUnchecked.Should().BeTrue();
        summaries.Skip(1).Should().OnlyContain(s => !s.EdgesUnchecked);
    }
}
