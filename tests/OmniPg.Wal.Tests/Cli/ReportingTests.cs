using OmniPg.Testing;
using OmniPg.Wal.Tests.Recovery;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>What cannot be reported changes no exit code and loses no work: logs and standard streams that are full, closed, missing or somebody else's.</summary>
[Collection(nameof(ProgramCollection))]
public sealed class ReportingTests(RecoveryScene scene) : IDisposable
{
    private const string Full = "2>/dev/full";
    private const string Closed = "2>&-";

    private readonly TemporaryDirectory _root = new();
    private TmpfsMount? _fullDisk;

    public void Dispose()
    {
        _fullDisk?.Dispose();
        _root.Dispose();
    }

    [Theory]
    [InlineData("below a file")]
    [InlineData("directory")]
    [InlineData("/dev/full")]
    [InlineData("full disk")]
    public async Task Log_that_cannot_be_written_goes_to_standard_error_and_the_segment_is_archived_and_restored(string log)
    {
        var archive = Make("a");
        var template = Log(log);

        var archived = await WalProgram.RunAsync(["archive", "--begin", "-D", Data, "--log", template, "--dst-local", archive, Segment()]);
        var restored = await RestoreAsync("", "--log", template, "--source", archive, Name(), "target");
        var failed = await WalProgram.RunAsync(["archive", "--begin", "-D", Data, "--log", template, "--dst-local", _root.Combine("gone"), Segment()]);

        archived.ExitCode.Should().Be(0, archived.Error);
        archived.Error.Should().Contain($"The log '{template}' cannot be written, so its lines follow here: ").And.Contain("successfully sent to all destinations.");
        Stored(archive).Should().Equal(await File.ReadAllBytesAsync(Segment(), Token));
        restored.ExitCode.Should().Be(0, restored.Error);
        File.Exists(_root.Combine("target")).Should().BeTrue();
        failed.ExitCode.Should().Be(10, failed.Error);
        failed.Error.Should().Contain("did not take").And.NotContain("Unhandled");
    }

    [Theory]
    [InlineData(Full)]
    [InlineData(Closed)]
    [InlineData("2>/dev/full >/dev/full")]
    [InlineData("<&- >&- 2>&-")]
    public async Task Standard_error_that_takes_nothing_leaves_the_exit_code_of_archive_to_the_work(string redirection)
    {
        var archive = Make("a");

        var first = await ShellAsync(redirection, "archive", "--begin", "-v", "-D", Data, "--dst-local", archive, Segment());
        var present = await ShellAsync(redirection, "archive", "--begin", "-D", Data, "--dst-local", archive, Segment());
        var failed = await ShellAsync(redirection, "archive", "--begin", "-D", Data, "--dst-local", _root.Combine("gone"), Segment());
        var misuse = await ShellAsync(redirection, "archive", "--fly", Segment());
        var logged = await ShellAsync(redirection, "archive", "--begin", "-D", Data, "--log", _root.Path, "--dst-local", archive, Segment());

        (first.ExitCode, present.ExitCode, failed.ExitCode, misuse.ExitCode, logged.ExitCode).Should().Be((0, 0, 10, 20, 0));
        Stored(archive).Should().Equal(await File.ReadAllBytesAsync(Segment(), Token), "no message may get into a file that has the number of a closed stream");
    }

    [Theory]
    [InlineData(Full, false, 255)]
    [InlineData(Closed, false, 255)]
    [InlineData(Full, true, 10)]
    [InlineData(Closed, true, 10)]
    public async Task Standard_error_that_takes_nothing_leaves_the_exit_code_of_restore_to_the_work(string redirection, bool standby, int expected)
    {
        if (standby)
            await File.WriteAllTextAsync(_root.Combine("standby.signal"), "", Token);

        var trouble = await RestoreAsync(redirection, "--timeout", "0", "--source", _root.Combine("gone"), Name(), "target");
        var misuse = await RestoreAsync(redirection, "--sauce", _root.Combine("gone"), Name(), "target");
        var restored = await RestoreAsync(redirection, "-v", "--source", scene.Archive, Name(), "target");
        var absent = await RestoreAsync(redirection, "-v", "--source", scene.Archive, "0000000100000000000000FE", "other");

        (trouble.ExitCode, misuse.ExitCode, restored.ExitCode, absent.ExitCode).Should().Be((expected, expected, 0, 1));
    }

    [Theory]
    [InlineData(">/dev/full")]
    [InlineData(">&-")]
    public async Task Standard_output_that_takes_nothing_ends_with_10_and_one_line_where_it_is_the_product(string redirection)
    {
        string[][] products =
        [
            ["show", "--archive", scene.Archive],
            ["show", "--archive", scene.Archive, "--json"],
            ["verify", "--archive", scene.Archive],
            ["dump", Segment()],
            ["dump", "--json", Segment()],
            ["checksum"],
            ["checksum", "--list"],
            ["bench", "--segments", scene.PlainCopies, "--count", "1", "--codec", "none"],
            ["cleanup", "--dry-run", "--archive", scene.Archive, Name()[..16] + "000000FE"],
            ["completion", "bash"],
            ["show", "--help"],
            ["--help"],
            ["--version"],
        ];
        foreach (var words in products)
        {
            var result = await ShellAsync(redirection, words);

            result.ExitCode.Should().Be(10, string.Join(' ', words) + ": " + result.Error);
            result.Error.Should().MatchRegex("^omnipg-wal: Standard output cannot be written: [^\n]+\n$", string.Join(' ', words));
        }
    }

    [Theory]
    [InlineData(">/dev/full")]
    [InlineData(">&-")]
    public async Task Standard_output_that_takes_nothing_does_not_matter_where_it_is_not_the_product(string redirection)
    {
        var archive = Make("a");

        var archived = await ShellAsync(redirection, "archive", "--begin", "-D", Data, "--log", "-", "--dst-local", archive, Segment());
        var restored = await RestoreAsync(redirection, "--log", "-", "--source", archive, Name(), "target");
        var cleaned = await ShellAsync(redirection, "cleanup", "--log", "-", "--archive", archive, Name()[..16] + "000000FE");

        (archived.ExitCode, restored.ExitCode, cleaned.ExitCode).Should().Be((0, 0, 0), archived.Error + restored.Error + cleaned.Error);
        archived.Error.Should().Contain("The log '-' cannot be written").And.Contain("successfully sent");
        Directory.GetFiles(archive).Select(Path.GetFileName).Should().Equal(WalArchiveMarker.Key);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Data => scene.Primary.DataDirectory;

    private string Segment() => Directory.GetFiles(scene.PlainCopies).Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal).First();

    private string Name() => Path.GetFileName(Segment());

    private string Make(string name) => Directory.CreateDirectory(_root.Combine(name)).FullName;

    private byte[] Stored(string archive) => File.ReadAllBytes(Path.Combine(archive, Name()));

    private string Log(string fault)
    {
        switch (fault)
        {
            case "below a file":
                File.WriteAllText(_root.Combine("file"), "");
                return _root.Combine("file", "omnipg.log");
            case "directory":
                return Make("directory");
            case "full disk":
                _fullDisk = TmpfsMount.TryCreate(16384);
                Assert.SkipWhen(_fullDisk is null, "Mounting is not permitted here.");
                File.WriteAllBytes(Path.Combine(_fullDisk.Path, "filler"), new byte[8192]);
                return Path.Combine(FillUp(_fullDisk.Path), "omnipg.log");
            default:
                return fault;
        }
    }

    private static string FillUp(string path)
    {
        var full = () => File.AppendAllText(Path.Combine(path, "filler"), new string('x', 65536));
        full.Should().Throw<IOException>();
        return path;
    }

    private async Task<ProgramResult> RestoreAsync(string redirection, params string[] words)
    {
        await File.WriteAllTextAsync(_root.Combine("PG_VERSION"), "15\n", Token);
        return await WalProgram.RunShellAsync(_root.Path, redirection, ["restore", .. words]);
    }

    private static Task<ProgramResult> ShellAsync(string redirection, params string[] words) => WalProgram.RunShellAsync(null, redirection, words);
}
