using System.Diagnostics;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class InputFaultAtOnceTests(WalWorkloads workloads) : InputFaultTests(workloads, inStages: false);

public sealed class InputFaultInStagesTests(WalWorkloads workloads) : InputFaultTests(workloads, inStages: true);

public abstract class InputFaultTests(WalWorkloads workloads, bool inStages) : ArchiveTests(workloads, inStages)
{
    [Theory]
    [InlineData("missing", "wal.input.missing")]
    [InlineData("directory", "wal.input.not-regular")]
    [InlineData("symlink", "wal.input.not-regular")]
    [InlineData("fifo", "wal.input.not-regular")]
    public async Task What_is_no_regular_file_is_refused(string kind, string code)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such files.");
        var path = Scene.Located(Scene.Segment);
        Prepare(kind, path);
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();

        var act = () => archiver.ArchiveAsync(path, Token);

        (await act.Should().ThrowAsync<WalInputException>()).Which.Code.Should().Be(code);
        ArchiveScene.FilesIn(archive).Should().BeEmpty();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8192)]
    [InlineData((1 << 20) - 1)]
    [InlineData((1 << 20) + 8192)]
    public async Task A_segment_of_the_wrong_size_is_refused(int bytes)
    {
        var path = Scene.Add();
        using (var file = File.OpenWrite(Scene.Located(Scene.Segment)))
            file.SetLength(bytes);
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory($"zstd={archive}")).Validate(WalValidation.None).Build();

        var act = () => archiver.ArchiveAsync(path, Token);

        (await act.Should().ThrowAsync<WalValidationException>()).Which.Problem.Should().Be(WalValidationProblem.WrongSize);
        ArchiveScene.FilesIn(archive).Should().BeEmpty();
    }

    [Theory]
    [InlineData("00000002.history")]
    [InlineData("000000010000000000000002.00000028.backup")]
    public async Task A_text_file_without_content_is_refused(string name)
    {
        var path = Scene.AddText(name, "");
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();

        (await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalValidationException>()).Which.Code.Should().Be("wal.text.invalid");
        ArchiveScene.FilesIn(archive).Should().BeEmpty();
    }

    [Fact]
    public async Task A_sparse_segment_is_taken_for_what_it_reads()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs a file system with holes.");
        var path = Scene.Add();
        using (var file = File.OpenWrite(Scene.Located(Scene.Segment)))
        {
            file.SetLength(300_000);
            file.SetLength(1 << 20);
        }

        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();

        var failure = (await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalValidationException>()).Which;

        failure.Offset.Should().BeInRange(290_000, 303_104);
        ArchiveScene.FilesIn(archive).Should().BeEmpty();
    }

    [Fact]
    public async Task A_segment_that_changes_while_it_is_read_is_refused()
    {
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        var change = new ImmediateProgress(_ => File.SetLastWriteTimeUtc(Scene.Located(Scene.Segment), DateTime.UnixEpoch));
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();

        var act = () => archiver.ArchiveAsync(path, change, Token);

        (await act.Should().ThrowAsync<WalInputException>()).Which.Code.Should().Be("wal.input.changed");
        ArchiveScene.FilesIn(archive).Should().BeEmpty();
    }

    [Fact]
    public async Task A_segment_replaced_by_another_file_while_it_is_read_is_refused()
    {
        var path = Scene.Add();
        var archive = Scene.MakeDirectory("archive");
        var replacement = Path.Combine(Scene.Root, "replacement");
        File.Copy(Scene.Located(Scene.Segment), replacement);
        var change = new ImmediateProgress(p =>
        {
            if (p.BytesRead == p.TotalBytes)
                File.Move(replacement, Scene.Located(Scene.Segment), overwrite: true);
        });
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();

        var act = () => archiver.ArchiveAsync(path, change, Token);

        (await act.Should().ThrowAsync<WalInputException>()).Which.Code.Should().Be("wal.input.changed");
        ArchiveScene.FilesIn(archive).Should().BeEmpty();
    }

    [Fact]
    public async Task A_damaged_segment_is_published_nowhere()
    {
        var path = Scene.Add();
        var bytes = Scene.Original(Scene.Segment);
        bytes[await RecordBytes.InBodyAsync(bytes, 300_000)] ^= 1;
        await File.WriteAllBytesAsync(Scene.Located(Scene.Segment), bytes, Token);
        string[] archives = [Scene.MakeDirectory("one"), Scene.MakeDirectory("two")];
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state"))
            .To(d => d.Directory($"zstd={archives[0]}")).To(d => d.Directory(archives[1])).Build();

        var act = () => archiver.ArchiveAsync(path, Token);

        await act.Should().ThrowAsync<WalValidationException>();
        archives.Should().OnlyContain(a => ArchiveScene.FilesIn(a).Length == 0);
        ArchiveScene.FilesIn(Path.Combine(Scene.Root, "state")).Should().BeEmpty();
    }

    [Fact]
    public async Task Without_validation_a_damaged_segment_passes()
    {
        var path = Scene.Add();
        var bytes = Scene.Original(Scene.Segment);
        bytes[await RecordBytes.InBodyAsync(bytes, 300_000)] ^= 1;
        await File.WriteAllBytesAsync(Scene.Located(Scene.Segment), bytes, Token);
        await using var archiver = Scene.Archiver().To(d => d.Directory(Scene.MakeDirectory("archive"))).Validate(WalValidation.None).Build();

        (await archiver.ArchiveAsync(path, Token)).Summary.Should().BeNull();
    }

    private static void Prepare(string kind, string path)
    {
        if (kind == "directory")
            Directory.CreateDirectory(path);
        if (kind == "symlink")
            File.CreateSymbolicLink(path, "/etc/hostname");
        if (kind == "fifo")
            Process.Start("mkfifo", [path])!.WaitForExit();
    }
}
