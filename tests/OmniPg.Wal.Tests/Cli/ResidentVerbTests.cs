using OmniPg.Testing;
using OmniPg.Wal.Tests.Recovery;
using OmniPg.Wal.Tests.Resident;

namespace OmniPg.Wal.Tests.Cli;

[Collection(nameof(ProgramCollection))]
public sealed class ResidentVerbTests(RecoveryScene scene) : IDisposable
{
    private readonly TemporaryDirectory _root = new(forServer: true);

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task Archive_asks_the_resident_process_and_works_alone_when_there_is_none()
    {
        var (archive, spool) = (Directory.CreateDirectory(_root.Combine("a")).FullName, Directory.CreateDirectory(_root.Combine("s")).FullName);
        var socket = _root.Combine("r.sock");
        string[] common = ["--data-dir", scene.Primary.DataDirectory, "--dst-local", "zstd=" + archive, "--socket", socket, "--verbose", "--begin"];
        var segments = Directory.GetFiles(scene.PlainCopies).Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal).ToArray();

        using var resident = WalProgram.Start(null, ["resident", .. common, "--spool", spool]);
        await Eventually.TrueAsync(() => RunningResident.Listens(socket) || resident.HasExited, "the resident process listens", cancellationToken: TestContext.Current.CancellationToken);
        var asked = await WalProgram.RunAsync(["archive", .. common, "pg_wal/" + Path.GetFileName(segments[0])]);
        ServerAccount.Signal(resident.Id, 15);
        var ended = await WalProgram.EndAsync(resident);
        var alone = await WalProgram.RunAsync(["archive", .. common, segments[1]]);

        asked.ExitCode.Should().Be(0, asked.Error + ended.Error);
        asked.Error.Should().Contain("The resident process archived");
        ended.ExitCode.Should().Be(143, ended.Error);
        alone.ExitCode.Should().Be(0, alone.Error);
        alone.Error.Should().NotContain("The resident process archived");
        Directory.GetFiles(archive, "*.zst").Should().HaveCount(2);
    }

    [Theory]
    [InlineData("s/resident.lock", "spool", "s", "--spool")]
    [InlineData("r.sock.lock", "socket", "r.sock", "--socket")]
    public async Task A_lock_file_that_another_account_has_left_is_named_with_the_next_step(string file, string kind, string name, string option)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || ServerAccount.Name is null, "Needs root, to leave a file of another account.");
        var (archive, spool, socket) = (_root.Combine("a"), _root.Combine("s"), _root.Combine("r.sock"));
        foreach (var directory in (string[])[archive, spool])
        {
            Directory.CreateDirectory(directory);
            ServerAccount.Own(directory);
        }

        var (lockFile, what) = (_root.Combine(file), $"{kind} '{_root.Combine(name)}'");
        await File.WriteAllTextAsync(lockFile, "", TestContext.Current.CancellationToken);
#pragma warning disable CA1416 // Skipped on Windows.
        File.SetUnixFileMode(lockFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
#pragma warning restore CA1416
        string[] words = ["resident", "--data-dir", scene.Primary.DataDirectory, "--dst-local", archive, "--spool", spool, "--socket", socket, "--begin"];

        var refused = await scene.Program.RunAsync(words, cancellationToken: TestContext.Current.CancellationToken);

        refused.ExitCode.Should().Be(20, refused.Error);
        refused.Error.Should().Contain($"The lock file '{lockFile}' of the {what} cannot be opened").And.Contain($"See that no process of that account uses the {what}, and remove the file, or name another path with '{option}'.");
    }

    [Fact]
    public async Task Another_account_is_not_served_even_when_it_can_open_the_socket()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || ServerAccount.Name is null, "Needs root, to start a client under another account.");
        var (archive, own, spool) = (_root.Combine("resident"), _root.Combine("own"), _root.Combine("s"));
        foreach (var directory in (string[])[archive, own, spool])
            Directory.CreateDirectory(directory);
        ServerAccount.Own(own);
        var socket = _root.Combine("r.sock");
        string[] common = ["--data-dir", scene.Primary.DataDirectory, "--socket", socket, "--verbose", "--begin"];
        var segments = Directory.GetFiles(scene.PlainCopies).Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal).ToArray();
        using var resident = WalProgram.Start(null, ["resident", .. common, "--dst-local", archive, "--spool", spool]);
        await Eventually.TrueAsync(() => RunningResident.Listens(socket) || resident.HasExited, "the resident process listens", cancellationToken: TestContext.Current.CancellationToken);
#pragma warning disable CA1416 // Skipped on Windows.
        File.SetUnixFileMode(socket, (UnixFileMode)0b110_110_110);
#pragma warning restore CA1416

        var stranger = await scene.Program.RunAsync(
            ["archive", .. common, "--dst-local", own, segments[0]], cancellationToken: TestContext.Current.CancellationToken);
        var stored = Directory.GetFiles(archive);
        var root = await WalProgram.RunAsync(["archive", .. common, "--dst-local", own, "pg_wal/" + Path.GetFileName(segments[0])]);
        ServerAccount.Signal(resident.Id, 15);
        await WalProgram.EndAsync(resident);

        stranger.ExitCode.Should().Be(0, stranger.Error);
        stranger.Error.Should().NotContain("The resident process archived");
        Directory.GetFiles(own).Should().Contain(f => Path.GetFileName(f) == Path.GetFileName(segments[0]));
        stored.Should().BeEmpty("the resident process did nothing for the stranger");
        root.Error.Should().Contain("The resident process archived");
    }
}
