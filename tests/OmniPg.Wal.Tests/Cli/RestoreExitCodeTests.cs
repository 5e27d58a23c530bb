using OmniPg.Testing;
using OmniPg.Wal.Tests.Recovery;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>The exit codes by which PostgreSQL decides over the end of a recovery.</summary>
[Collection(nameof(ProgramCollection))]
public sealed class RestoreExitCodeTests(RecoveryScene scene) : IDisposable
{
    private const string Missing = "0000000100000000000000FE";

    private readonly TemporaryDirectory _data = new();

    public void Dispose() => _data.Dispose();

    [Fact]
    public async Task Restored_is_0_and_proven_absence_is_1()
    {
        var there = await RestoreAsync("--source", scene.Archive, Segment(), "target");
        var absent = await RestoreAsync("--source", scene.Archive, Missing, "other");
        var history = await RestoreAsync("--source", scene.Archive, "00000009.history", "other");

        there.ExitCode.Should().Be(0, there.Error);
        new FileInfo(_data.Combine("target")).Length.Should().Be(1 << 20);
        absent.ExitCode.Should().Be(1);
        history.ExitCode.Should().Be(1);
        File.Exists(_data.Combine("other")).Should().BeFalse();
    }

    [Theory]
    [InlineData(false, "auto", 255)]
    [InlineData(true, "auto", 10)]
    [InlineData(true, "abort", 255)]
    [InlineData(false, "missing", 10)]
    public async Task Trouble_stops_a_recovery_but_not_a_standby(bool standby, string onError, int expected)
    {
        if (standby)
            await File.WriteAllTextAsync(_data.Combine("standby.signal"), "", TestContext.Current.CancellationToken);
        string[] words = ["--timeout", "0", "--on-error", onError, "--source", _data.Combine("not-mounted")];

        var unreachable = await RestoreAsync([.. words, Segment(), "target"]);
        var hostile = await RestoreAsync([.. words, "../../etc/passwd", "target"]);
        var misuse = await RestoreAsync([.. words, Segment()]);

        unreachable.ExitCode.Should().Be(expected, unreachable.Error);
        hostile.ExitCode.Should().Be(expected);
        misuse.ExitCode.Should().Be(expected);
        File.Exists(_data.Combine("target")).Should().BeFalse();
    }

    [Theory]
    [InlineData(false, 255)]
    [InlineData(true, 10)]
    public async Task A_disk_that_is_full_below_the_target_ends_no_recovery(bool standby, int expected)
    {
        using var disk = TmpfsMount.TryCreate(256 << 10);
        Assert.SkipWhen(disk is null, "This account may not mount a file system.");
        if (standby)
            await File.WriteAllTextAsync(_data.Combine("standby.signal"), "", TestContext.Current.CancellationToken);

        var result = await RestoreAsync("--timeout", "0", "--source", scene.Archive, Segment(), Path.Combine(disk.Path, "RECOVERYXLOG"));

        result.ExitCode.Should().Be(expected);
        result.Error.Should().Contain("No space left on device");
        Directory.GetFileSystemEntries(disk.Path).Should().BeEmpty();
    }

    [Theory]
    [InlineData(false, "", 255)]
    [InlineData(true, "", 10)]
    [InlineData(false, "no WAL", 255)]
    [InlineData(false, "marker", 1)]
    [InlineData(true, "marker", 1)]
    [InlineData(false, "00000002.history", 1)]
    public async Task Directory_without_marker_and_archived_files_proves_nothing(bool standby, string content, int expected)
    {
        var archive = Directory.CreateDirectory(_data.Combine("archive")).FullName;
        if (standby)
            await File.WriteAllTextAsync(_data.Combine("standby.signal"), "", TestContext.Current.CancellationToken);
        if (content == "marker")
            File.Copy(Path.Combine(scene.Archive, WalArchiveMarker.Key), Path.Combine(archive, WalArchiveMarker.Key));
        else if (content.Length > 0)
            await File.WriteAllTextAsync(Path.Combine(archive, content), "1\t0/2000000\tx\n", TestContext.Current.CancellationToken);

        foreach (var name in (string[])[Segment(), "00000009.history"])
        {
            var result = await RestoreAsync("--timeout", "0", "--source", archive, name, "target");
            result.ExitCode.Should().Be(expected, result.Error);
            result.Error.Contains("There is no archive at", StringComparison.Ordinal).Should().Be(expected != 1);
        }
    }

    [Fact]
    public async Task Archive_of_another_cluster_proves_no_absence()
    {
        Directory.CreateDirectory(_data.Combine("global"));
        File.Copy(Path.Combine(scene.Primary.DataDirectory, "global", "pg_control"), _data.Combine("global", "pg_control"));
        var archive = Directory.CreateDirectory(_data.Combine("archive")).FullName;
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }
            .WriteAsync(new DirectoryObjectStore(archive), TestContext.Current.CancellationToken);

        var foreign = await RestoreAsync("--timeout", "0", "--source", archive, Missing, "target");
        var own = await RestoreAsync("--timeout", "0", "--source", scene.Archive, Missing, "target");

        (foreign.ExitCode, own.ExitCode).Should().Be((255, 1), foreign.Error);
        foreign.Error.Should().Contain("belongs to a cluster with system identifier '42'");
    }

    [Fact]
    public async Task Unknown_option_stops_a_recovery_instead_of_ending_it()
    {
        (await RestoreAsync("--sauce", scene.Archive, Segment(), "target")).ExitCode.Should().Be(255);
    }

    [Fact]
    public async Task Corrupt_only_copy_is_255_and_named()
    {
        var archive = Directory.CreateDirectory(_data.Combine("archive")).FullName;
        await File.WriteAllTextAsync(Path.Combine(archive, Segment()), "no WAL", TestContext.Current.CancellationToken);

        var result = await RestoreAsync("--source", archive, Segment(), "target");

        result.ExitCode.Should().Be(255);
        result.Error.Should().Contain($"WAL file '{Segment()}' has no valid copy");
        File.Exists(_data.Combine("target")).Should().BeFalse();
    }

    [Fact]
    public async Task Segment_of_another_cluster_is_not_handed_out()
    {
        Directory.CreateDirectory(_data.Combine("global"));
        var control = await File.ReadAllBytesAsync(Path.Combine(scene.Primary.DataDirectory, "global", "pg_control"), TestContext.Current.CancellationToken);
        control[0] ^= 1;
        ControlFileBytes.Seal(control);
        await File.WriteAllBytesAsync(_data.Combine("global", "pg_control"), control, TestContext.Current.CancellationToken);

        var result = await RestoreAsync("--timeout", "0", "--source", scene.Archive, Segment(), "target");

        result.ExitCode.Should().Be(255);
        result.Error.Should().Contain("system identifier");
    }

    [Theory]
    [InlineData(15, 143)]
    [InlineData(2, 130)]
    public async Task Signal_ends_a_waiting_restore_without_a_trace(int signal, int expected)
    {
        await PrepareAsync();
        using var process = WalProgram.Start(_data.Path, ["restore", "--source", scene.Archive, "--recovery-delay", "100000", Segment(), "target"]);
        await Eventually.TrueAsync(() => Directory.GetFiles(_data.Path, ".target.*").Length == 1, "the restore waits", cancellationToken: TestContext.Current.CancellationToken);

        ServerAccount.Signal(process.Id, signal);
        var result = await WalProgram.EndAsync(process);

        result.ExitCode.Should().Be(expected);
        Directory.GetFiles(_data.Path, "*target*").Should().BeEmpty();
    }

    [Fact]
    public async Task Finish_signal_ends_a_waiting_restore_with_1()
    {
        await PrepareAsync();
        using var process = WalProgram.Start(_data.Path, ["restore", "--source", scene.Archive, "--recovery-delay", "100000", Segment(), "target"]);
        await Eventually.TrueAsync(() => Directory.GetFiles(_data.Path, ".target.*").Length == 1, "the restore waits", cancellationToken: TestContext.Current.CancellationToken);

        ServerAccount.Signal(process.Id, 10);

        (await WalProgram.EndAsync(process)).ExitCode.Should().Be(1);
    }

    [Theory]
    [InlineData("ignore", 0)]
    [InlineData("break", 255)]
    public async Task Unreadable_control_file_is_ignored_or_stops_the_recovery(string policy, int expected)
    {
        var result = await RestoreAsync("--source", scene.PlainCopies, "-rb", "-ep", policy, "--timeout=0", "-r", Segment(), "target");

        result.ExitCode.Should().Be(expected, result.Error);
        result.Error.Should().Contain("pg_control");
        File.Exists(_data.Combine("target")).Should().Be(expected == 0);
    }

    [Fact]
    public async Task Unreadable_control_file_can_hang_the_restore_until_it_is_stopped()
    {
        await PrepareAsync();
        string[] words = ["restore", "--source", scene.PlainCopies, "--remove-before", "--error-pgcontroldata", "hang", "--remove-unneeded", Segment(), "target"];
        using var process = WalProgram.Start(_data.Path, words);
        while (await process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken) is { } line && !line.Contains("Removal of WAL files failed", StringComparison.Ordinal))
        {
        }

        // Only waiting can tell: without the hang the segment is served within milliseconds of that line.
        var ended = () => process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(3), TestContext.Current.CancellationToken);
        await ended.Should().ThrowAsync<TimeoutException>();
        File.Exists(_data.Combine("target")).Should().BeFalse();
        ServerAccount.Signal(process.Id, 15);

        (await WalProgram.EndAsync(process)).ExitCode.Should().Be(143);
        Directory.GetFiles(_data.Path, "*target*").Should().BeEmpty();
    }

    private string Segment() => Directory.GetFiles(scene.PlainCopies).Select(f => Path.GetFileName(f)!).Where(n => n.Length == 24).Order(StringComparer.Ordinal).First();

    private async Task PrepareAsync() => await File.WriteAllTextAsync(_data.Combine("PG_VERSION"), "15\n", TestContext.Current.CancellationToken);

    private async Task<ProgramResult> RestoreAsync(params string[] words)
    {
        await PrepareAsync();
        return await WalProgram.RunInAsync(_data.Path, "", ["restore", .. words]);
    }
}
