using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class DeliveryStateAtOnceTests(WalWorkloads workloads) : DeliveryStateTests(workloads, inStages: false);

public sealed class DeliveryStateInStagesTests(WalWorkloads workloads) : DeliveryStateTests(workloads, inStages: true);

/// <summary>What is remembered of a delivery that failed half.</summary>
public abstract class DeliveryStateTests(WalWorkloads workloads, bool inStages) : ArchiveTests(workloads, inStages)
{
    [Fact]
    public async Task After_a_failure_only_the_failed_destination_is_tried_again()
    {
        var path = Scene.Add();
        var one = new FaultyStore("one");
        var two = new FaultyStore("two", FaultAt.Write);
        var three = new FaultyStore("three");
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state"))
            .To(d => d.Store(one).Compress(Codec.Zstd)).To(d => d.Store(two).Compress(Codec.Zstd).Named("the second")).To(d => d.Store(three).Compress(Codec.Parse(Scene.BesideZstd))).Build();

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalDeliveryException>()).Which;
        two.Fault = FaultAt.Nothing;
        var result = await archiver.ArchiveAsync(path, Token);

        failure.Code.Should().Be("wal.archive.delivery");
        failure.IsTransient.Should().BeTrue();
        failure.Failures.Should().ContainSingle().Which.Destination.Should().Be("the second");
        failure.Result.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.Stored, WalDeliveryStatus.Failed, WalDeliveryStatus.Stored);
        result.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.SkippedDone, WalDeliveryStatus.Stored, WalDeliveryStatus.SkippedDone);
        (one.Creations, two.Creations, three.Creations).Should().Be((1, 2, 1));
        ArchiveScene.FilesIn(Path.Combine(Scene.Root, "state")).Should().BeEmpty();
    }

    [Fact]
    public async Task A_state_does_not_stand_for_a_copy_that_the_destination_has_lost()
    {
        var path = Scene.Add();
        var one = Scene.MakeDirectory("one");
        var two = new FaultyStore("two", FaultAt.Write);
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state")).To(d => d.Directory(one)).To(d => d.Store(two)).Build();
        await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalDeliveryException>();
        File.Delete(Path.Combine(one, Scene.Segment.ToString()));
        two.Fault = FaultAt.Nothing;

        var result = await archiver.ArchiveAsync(path, Token);

        result.Destinations.Select(d => d.Status).Should().Equal(WalDeliveryStatus.Stored, WalDeliveryStatus.Stored);
        File.ReadAllBytes(Path.Combine(one, Scene.Segment.ToString())).Should().Equal(Scene.Original(Scene.Segment));
    }

    [Fact]
    public async Task A_state_that_cannot_be_written_does_not_hide_why_the_delivery_failed()
    {
        var state = Scene.MakeDirectory("state");
        var two = new FaultyStore("two", FaultAt.Write);
        await using var archiver = Scene.Archiver().WithState(state).To(d => d.Store(new MemoryObjectStore("one"))).To(d => d.Store(two)).Build();
        Directory.Delete(state);

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;

        failure.Failures.Should().ContainSingle().Which.Destination.Should().Be("memory:two");
    }

    [Theory]
    [InlineData("{")]
    [InlineData("""{"sha256":"0000","size":1,"done":{}}""")]
    [InlineData("")]
    public async Task A_state_about_something_else_or_damaged_is_discarded(string state)
    {
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        File.WriteAllText(Path.Combine(Scene.MakeDirectory("state"), Scene.Segment + ".state"), state);
        await using var archiver = Scene.Archiver().WithState(Path.Combine(Scene.Root, "state")).To(d => d.Directory(archive)).Build();

        var result = await archiver.ArchiveAsync(path, Token);

        result.Destinations.Should().ContainSingle().Which.Status.Should().Be(WalDeliveryStatus.Stored);
        ArchiveScene.FilesIn(Path.Combine(Scene.Root, "state")).Should().BeEmpty();
    }

    [Theory]
    [InlineData(0, WalDeliveryStatus.SkippedDone)]
    [InlineData(1, WalDeliveryStatus.AlreadyPresent)]
    public async Task A_state_of_the_version_that_knew_only_SHA_256_is_read(int otherSize, WalDeliveryStatus expected)
    {
        var path = Scene.Add();
        var (one, two) = (Scene.MakeDirectory("one"), Scene.MakeDirectory("two"));
        var state = Scene.MakeDirectory("state");
        var builder = Scene.Archiver().WithState(state).To(d => d.Directory(one)).To(d => d.Directory($"zstd={two}"));
        await using var archiver = builder.Build();
        await archiver.ArchiveAsync(path, Token);
        File.Delete(Path.Combine(two, Scene.Segment + ".zst"));
        var content = Scene.Original(Scene.Segment);
        var sha256 = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content));
        File.WriteAllText(Path.Combine(state, Scene.Segment + ".state"), $$"""
            {"sha256":"{{sha256}}","size":{{content.Length + otherSize}},"done":{"{{archiver.Destinations[0].StateId}}":{"at":"2026-11-20T10:00:00.1234567+00:00","key":"{{Scene.Segment}}"} } }
            """);

        var result = await archiver.ArchiveAsync(path, Token);

        result.Destinations.Select(d => d.Status).Should().Equal(expected, WalDeliveryStatus.Stored);
    }

    [Fact]
    public async Task A_state_names_the_hash_of_the_content_and_that_of_each_stored_copy()
    {
        var path = Scene.Add();
        var state = Scene.MakeDirectory("state");
        var good = Scene.MakeDirectory("good");
        await using var archiver = Scene.Archiver().WithState(state)
            .To(d => d.Directory($"zstd={good}")).To(d => d.Directory(Path.Combine(Scene.Root, "missing"))).Build();

        var failed = (await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalDeliveryException>()).Which.Result;

        var content = ObjectContent.Of(Scene.Original(Scene.Segment));
        var stored = ObjectContent.Of(File.ReadAllBytes(Path.Combine(good, Scene.Segment + ".zst"))).StoredSha256;
        failed.Xxh128.Should().Be(content.Xxh128);
        failed.Destinations.Select(d => d.StoredSha256).Should().Equal(stored, null);
        File.ReadAllText(Path.Combine(state, Scene.Segment + ".state")).Should().Contain($"\"xxh128\":\"{content.Xxh128}\"").And.Contain($"\"storedSha256\":\"{stored}\"");
    }
}
