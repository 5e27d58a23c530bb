using OmniPg.Testing;
using OmniPg.Wal.Tests.Recovery;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>The exit codes by which operators tell the failures of archive_command apart; none above 125, where PostgreSQL counts nothing.</summary>
[Collection(nameof(ProgramCollection))]
public sealed class ArchiveExitCodeTests(RecoveryScene scene) : IDisposable
{
    private readonly TemporaryDirectory _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task Archived_is_0_also_when_it_was_there_and_the_log_is_that_of_the_original()
    {
        var archive = Directory.CreateDirectory(_root.Combine("it's 100% \"new\" ü")).FullName;
        var log = _root.Combine("log-^Y");

        var first = await ArchiveAsync("--dst-local", "zstd=" + archive, "--log", log, "-v", Segment());
        var second = await ArchiveAsync("--dst-local", "zstd=" + archive, Segment());

        (first.ExitCode, second.ExitCode).Should().Be((0, 0), first.Error + second.Error);
        second.Error.Should().Contain("was present in");
        var lines = await File.ReadAllLinesAsync(Directory.GetFiles(_root.Path, "log-*").Single(), TestContext.Current.CancellationToken);
        lines.Should().Contain(l => l.EndsWith($" : omnipitr-archive : LOG : Segment {Segment()} successfully sent to all destinations.", StringComparison.Ordinal));
        lines.Should().Contain(l => l.Contains(" : LOG : Called with parameters: --data-dir ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Missing_destination_is_10_and_the_others_hold_the_file()
    {
        var (archive, state) = (Directory.CreateDirectory(_root.Combine("a")).FullName, Directory.CreateDirectory(_root.Combine("s")).FullName);

        var result = await ArchiveAsync("--state-dir", state, "--dst-local", "lz4=" + archive, "--dst-local", _root.Combine("gone"), Segment());

        result.ExitCode.Should().Be(10, result.Error);
        File.Exists(Path.Combine(archive, Path.GetFileName(Segment()) + ".lz4")).Should().BeTrue();
    }

    [Fact]
    public async Task Archive_of_another_cluster_is_21()
    {
        await using var store = new DirectoryObjectStore(_root.Path);
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(store, TestContext.Current.CancellationToken);

        var result = await ArchiveAsync("--dst-local", _root.Path, Segment());

        result.ExitCode.Should().Be(21, result.Error);
        result.Error.Should().Contain("'42'");
    }

    [Fact]
    public async Task Other_content_under_the_name_is_22()
    {
        (await ArchiveAsync("--dst-local", _root.Path, Segment())).ExitCode.Should().Be(0);
        var stored = Path.Combine(_root.Path, Path.GetFileName(Segment()));
        await using (var file = File.OpenWrite(stored))
        {
            file.Seek(-1, SeekOrigin.End);
            file.WriteByte(0xEE);
        }

        (await ArchiveAsync("--dst-local", _root.Path, Segment())).ExitCode.Should().Be(22);
    }

    [Fact]
    public async Task Damaged_segment_is_23()
    {
        var damaged = _root.Combine(Path.GetFileName(Segment()));
        var bytes = await File.ReadAllBytesAsync(Segment(), TestContext.Current.CancellationToken);
        bytes[await RecordBytes.InBodyAsync(bytes, 5000)] ^= 0x10;
        await File.WriteAllBytesAsync(damaged, bytes, TestContext.Current.CancellationToken);
        var archive = Directory.CreateDirectory(_root.Combine("a")).FullName;

        var result = await ArchiveAsync("--dst-local", archive, damaged);

        result.ExitCode.Should().Be(23);
        Directory.GetFiles(archive).Should().NotContain(f => f.Contains("00000001", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Destination_that_does_not_finish_in_time_is_11()
    {
        var slow = TestScript.Write(_root.Combine("slow"), "exec sleep 600");

        var result = await ArchiveAsync("--timeout", "0.3", "--dst-pipe", slow, Segment());

        result.ExitCode.Should().Be(11, result.Error);
        result.Error.Should().Contain("within '0.3 s'");
    }

    [Fact]
    public async Task Missing_program_of_a_codec_is_24_before_the_first_byte()
    {
        var archive = Directory.CreateDirectory(_root.Combine("a")).FullName;

        var missing = await ArchiveAsync("--dst-local", "xz=" + archive, "--xz-path", "/nowhere/xz", Segment());
        var nice = await ArchiveAsync("--dst-local", "bzip2=" + archive, "--nice-path", "not-so-nice", Segment());

        missing.ExitCode.Should().Be(24, missing.Error);
        missing.Error.Should().Contain("Codec 'xz' needs '/nowhere/xz', which is not on this machine.");
        nice.ExitCode.Should().Be(24, nice.Error);
        nice.Error.Should().Contain("'not-so-nice'").And.Contain("Give the path of nice");
        Directory.GetFileSystemEntries(archive).Should().BeEmpty();
    }

    [Theory]
    [InlineData(15, 143)]
    [InlineData(2, 130)]
    public async Task Signal_ends_a_running_archive_without_a_trace(int signal, int expected)
    {
        var archive = Directory.CreateDirectory(_root.Combine("a")).FullName;
        var begun = _root.Combine("begun");
        var slow = TestScript.Write(_root.Combine("slow"), $"touch '{begun}'; exec sleep 600");
        string[] words = ["archive", "--begin", "-D", scene.Primary.DataDirectory, "-s", _root.Path, "-dl", "zstd=" + archive, "-dp", slow, Segment()];
        using var process = WalProgram.Start(null, words);
        await Eventually.TrueAsync(() => File.Exists(begun), "the destination has begun", cancellationToken: TestContext.Current.CancellationToken);

        ServerAccount.Signal(process.Id, signal);
        var result = await WalProgram.EndAsync(process);

        result.ExitCode.Should().Be(expected, result.Error);
        Directory.GetFileSystemEntries(archive).Should().BeEmpty();
    }

    [Fact]
    public async Task Beginning_and_adopting_at_once_is_wrong_use()
    {
        var result = await ArchiveAsync("--adopt", "--dst-local", _root.Path, Segment());

        result.ExitCode.Should().Be(20);
        result.Error.Should().Contain("exclude each other");
    }

    [Fact]
    public async Task Init_begins_an_archive_once_and_takes_nobody_elses()
    {
        string[] words = ["init", "-D", scene.Primary.DataDirectory, "--layout", "sharded", "--archive"];
        var (own, foreign) = (Directory.CreateDirectory(_root.Combine("own")).FullName, Directory.CreateDirectory(_root.Combine("foreign")).FullName);
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(new DirectoryObjectStore(foreign), TestContext.Current.CancellationToken);

        var first = await WalProgram.RunAsync([.. words, own]);
        var marker = await WalArchiveMarker.ReadAsync(new DirectoryObjectStore(own), TestContext.Current.CancellationToken);
        var second = await WalProgram.RunAsync([.. words, own]);

        (first.ExitCode, first.Output).Should().Be((0, second.Output), first.Error);
        first.Output.Should().StartWith($"archive '{own}': cluster {marker!.SystemIdentifier}, PostgreSQL {scene.Primary.MajorVersion}, segments of 1048576 bytes, begun 20");
        marker.Layout.Should().Be(WalLayout.Sharded);
        (await WalArchiveMarker.ReadAsync(new DirectoryObjectStore(own), TestContext.Current.CancellationToken)).Should().Be(marker);
        (await WalProgram.RunAsync([.. words, foreign])).ExitCode.Should().Be(10);
        (await WalProgram.RunAsync([.. words, _root.Combine("missing")])).ExitCode.Should().Be(10);
        Directory.Exists(_root.Combine("missing")).Should().BeFalse();
        (await WalProgram.RunAsync(words[..^1])).ExitCode.Should().Be(64);
    }

    private string Segment() => Directory.GetFiles(scene.PlainCopies).Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal).First();

    private Task<ProgramResult> ArchiveAsync(params string[] words) =>
        WalProgram.RunInAsync(null, "", ["archive", "--data-dir", scene.Primary.DataDirectory, "--begin", .. words]);
}
