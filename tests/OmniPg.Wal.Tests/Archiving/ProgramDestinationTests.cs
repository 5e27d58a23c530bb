using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class ProgramDestinationTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    [Fact]
    public async Task A_program_gets_the_payload_and_the_file_name_without_a_shell()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a shell to write the test program.");
        var target = Scene.MakeDirectory("target 'of' $HOME");
        await using var archiver = Scene.Archiver().To(d => d.Pipe("/bin/sh", "-c", "cat > \"$0/$1\"", target).Compress(Codec.Gzip)).Build();

        var result = await archiver.ArchiveAsync(Scene.Add(), Token);

        result.Destinations.Should().ContainSingle().Which.Status.Should().Be(WalDeliveryStatus.Stored);
        ArchiveScene.Decode(Path.Combine(target, Scene.Segment + ".gz")).Should().Equal(Scene.Original(Scene.Segment));
    }

    [Theory]
    [InlineData("cat > /dev/null; echo no room >&2; exit 3", "*ended with exit code '3': no room*")]
    [InlineData("echo closed early >&2; exit 4", "*ended with exit code '4': closed early*")]
    public async Task A_program_that_fails_fails_the_destination_with_its_own_words(string script, string message)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a shell to write the test program.");
        await using var archiver = Scene.Archiver().To(d => d.Pipe("/bin/sh", "-c", script)).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>().WithMessage(message);
    }

    [Fact]
    public async Task A_program_that_hangs_is_killed_at_the_time_limit()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a shell to write the test program.");
        var pid = Path.Combine(Scene.Root, "pid");
        // The limit counts from before the program has begun: it must not be over before there is one to be killed.
        await using var archiver = Scene.Archiver().To(d => d.Pipe("/bin/sh", "-c", "echo $$ > \"$0\"; exec sleep 600", pid).Timeout(TimeSpan.FromSeconds(5))).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>().WithMessage("*within '5 s'*");

        await Testing.Eventually.TrueAsync(
            () => !Directory.Exists($"/proc/{File.ReadAllText(pid).Trim()}"), "the program is gone", cancellationToken: Token);
    }

    [Fact]
    public async Task A_program_never_sees_the_end_of_a_damaged_segment()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a shell to write the test program.");
        var path = Scene.Add();
        var bytes = Scene.Original(Scene.Segment);
        bytes[await Segments.RecordBytes.InBodyAsync(bytes, 900_000)] ^= 1;
        await File.WriteAllBytesAsync(Scene.Located(Scene.Segment), bytes, Token);
        var finished = Path.Combine(Scene.Root, "finished");
        await using var archiver = Scene.Archiver().To(d => d.Pipe("/bin/sh", "-c", "cat > /dev/null; touch \"$0\"", finished)).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalValidationException>();

        File.Exists(finished).Should().BeFalse();
    }

    [Fact]
    public async Task Rsync_stores_once_keeps_the_time_and_finds_other_content()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/rsync"), "rsync is not installed.");
        var path = Scene.Add();
        var target = Scene.MakeDirectory("rsync target");
        await using var archiver = Scene.Archiver().To(d => d.Rsync($"zstd={target}")).Build();
        var file = Path.Combine(target, Scene.Segment + ".zst");

        (await archiver.ArchiveAsync(path, Token)).IsArchived.Should().BeTrue();
        (await archiver.ArchiveAsync(path, Token)).IsArchived.Should().BeTrue();
        var stored = ArchiveScene.Decode(file);
        var time = File.GetLastWriteTimeUtc(file);
        File.WriteAllText(file, "something else");

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalDeliveryException>()).Which;
        stored.Should().Equal(Scene.Original(Scene.Segment));
        time.Should().Be(new DateTime(2026, 5, 1, 12, 0, 0, DateTimeKind.Utc));
        failure.Failures.Should().ContainSingle().Which.Should().BeOfType<WalConflictException>();
        File.ReadAllText(file).Should().Be("something else");
    }

    [Theory]
    [InlineData("with two  blanks")]
    [InlineData("it's \"quoted\"")]
    [InlineData("$HOME `id` $(touch injected) ;&|<>")]
    [InlineData("-e ünïcode 文件 %p")]
    [InlineData("back\\slash")]
    public async Task A_remote_target_of_any_name_is_reached_through_a_remote_shell(string name)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/rsync"), "rsync is not installed.");
        var target = Scene.MakeDirectory(name);
        using var host = new FakeRemoteHost();
        await using var archiver = Scene.Archiver().With(o => o.RsyncProgram = host.Rsync).To(d => d.Rsync($"lz4=backup@db.example:{target}/")).Build();
        var file = Path.Combine(target, Scene.Segment + ".lz4");

        var first = await archiver.ArchiveAsync(Scene.Add(), Token);
        var second = await archiver.ArchiveAsync(Scene.Add(), Token);
        File.WriteAllText(file, "something else");
        var conflict = (await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;

        (first.IsArchived, second.IsArchived).Should().Be((true, true));
        ArchiveScene.FilesIn(target).Should().Equal(Scene.Segment + ".lz4");
        conflict.Failures.Should().ContainSingle().Which.Should().BeOfType<WalConflictException>();
        File.ReadAllText(file).Should().Be("something else");
        host.Hosts.Should().OnlyContain(h => h == "backup@db.example").And.HaveCountGreaterThan(4);
    }

    [Fact]
    public async Task What_a_remote_host_holds_is_the_segment_with_its_time()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/rsync"), "rsync is not installed.");
        var target = Scene.MakeDirectory("remote");
        using var host = new FakeRemoteHost();
        await using var archiver = Scene.Archiver().With(o => o.RsyncProgram = host.Rsync).With(o => o.TemporaryDirectory = Scene.MakeDirectory("spool"))
            .To(d => d.Rsync($"zstd=db.example:{target}")).Build();

        await archiver.ArchiveAsync(Scene.Add(), Token);

        var file = Path.Combine(target, Scene.Segment + ".zst");
        ArchiveScene.Decode(file).Should().Equal(Scene.Original(Scene.Segment));
        File.GetLastWriteTimeUtc(file).Should().Be(new DateTime(2026, 5, 1, 12, 0, 0, DateTimeKind.Utc));
        ArchiveScene.FilesIn(Path.Combine(Scene.Root, "spool")).Should().BeEmpty();
        host.Calls.Should().Contain(c => c.Contains($"{Scene.Root}/spool/.{Scene.Segment}.zst.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_unreachable_host_fails_the_destination_with_the_words_of_the_transport()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/rsync"), "rsync is not installed.");
        using var host = new FakeRemoteHost(refusal: "ssh: connect to host db.example port 22: Connection refused");
        await using var archiver = Scene.Archiver().With(o => o.RsyncProgram = host.Rsync).To(d => d.Rsync("db.example:/srv/wal")).Build();

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>()).Which;

        failure.Message.Should().Contain("Connection refused").And.Contain("db.example:/srv/wal");
        failure.IsTransient.Should().BeTrue();
    }
}
