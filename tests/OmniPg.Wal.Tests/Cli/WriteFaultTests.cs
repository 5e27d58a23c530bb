using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Resident;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>Each write of the program to its output, its messages or its log fails in turn, by a debugger's hand: nothing is unhandled, and the work decides the exit code.</summary>
public sealed class WriteFaultTests(WalWorkloads workloads) : ArchiveTests(workloads), IDisposable
{
    private readonly TemporaryDirectory _root = new();

    public void Dispose() => _root.Dispose();

    [Theory]
    [InlineData("out", 10, "show")]
    [InlineData("out", 10, "show --json")]
    [InlineData("out", 10, "verify")]
    [InlineData("out", 10, "dump")]
    [InlineData("out", 10, "dump --json")]
    [InlineData("out", 10, "checksum")]
    [InlineData("out", 10, "bench")]
    [InlineData("out", 10, "cleanup --dry-run")]
    [InlineData("out", 10, "completion bash")]
    [InlineData("out", 10, "archive --help")]
    [InlineData("out", 10, "help")]
    [InlineData("err", 0, "archive")]
    [InlineData("err", 10, "archive nowhere")]
    [InlineData("err", 20, "archive --fly")]
    [InlineData("err", 0, "restore")]
    [InlineData("err", 1, "restore absent")]
    [InlineData("err", 255, "restore nowhere")]
    [InlineData("err", 0, "cleanup")]
    [InlineData("err", 0, "init")]
    [InlineData("err", 10, "verify nowhere")]
    [InlineData("err", 10, "show nowhere")]
    [InlineData("err", 10, "dump nothing")]
    [InlineData("err", 143, "resident")]
    [InlineData("err", 64, "nonsense")]
    [InlineData("log", 0, "archive")]
    [InlineData("log", 10, "archive nowhere")]
    [InlineData("log", 0, "restore")]
    [InlineData("log", 255, "restore nowhere")]
    [InlineData("log", 0, "cleanup")]
    [InlineData("log", 143, "resident")]
    public async Task A_write_that_fails_is_handled_whichever_it_is(string stream, int expected, string call)
    {
        Assert.SkipUnless(FailingWrites.IsPossible, "strace is not installed, or may not trace here.");
        Prepare();
        var words = Words(call);
        if (stream == "log")
            words = [words[0], "--log", _root.Combine("log"), .. words[1..]];
        foreach (var (error, when) in FailingWrites.Faults)
        {
            Prepare();
            using var program = Start(stream, error, when, words);
            if (words[0] == "resident")
                await ServeAsync(program, words);
            await program.WaitForExitAsync(TestContext.Current.CancellationToken);

            var told = await File.ReadAllTextAsync(_root.Combine("err"), TestContext.Current.CancellationToken);
            // A reader that has gone away had as much as it wanted; a second write of a short product is none.
            var codes = stream != "out" ? [expected] : error == "EPIPE" ? [0] : when == "1" ? [expected] : (int[])[expected, 0];
            program.ExitCode.Should().BeOneOf(codes, $"write {when} of {stream} failed with {error}: {told}");
            told.Should().NotContain("Unhandled").And.NotContain("   at ");
            if (expected == 0 && words[0] == "archive")
                File.ReadAllBytes(Path.Combine(_root.Combine("archive"), Path.GetFileName(Segment))).Should().Equal(File.ReadAllBytes(Segment));
        }
    }

    private string Segment => Scene.Located(Scene.Segment);

    private void Prepare()
    {
        Scene.Add();
        foreach (var name in (string[])["archive", "begun", "filled", "spool"])
        {
            if (Directory.Exists(_root.Combine(name)))
                Directory.Delete(_root.Combine(name), recursive: true);
            Directory.CreateDirectory(_root.Combine(name));
        }

        File.Copy(Segment, Path.Combine(_root.Combine("filled"), Path.GetFileName(Segment)));
        Directory.CreateDirectory(_root.Combine("data", "pg_wal"));
        File.WriteAllText(_root.Combine("data", "PG_VERSION"), "15\n");
        // A path that is watched must be there.
        File.WriteAllText(_root.Combine("log"), "");
    }

    private string[] Words(string call)
    {
        string[] nowhere = [_root.Combine("nowhere")];
        var archive = call.EndsWith("nowhere", StringComparison.Ordinal) ? nowhere[0] : _root.Combine("filled");
        var first = Path.GetFileName(Segment);
        return call.Split(' ') switch
        {
            ["archive", "--help"] => ["archive", "--help"],
            ["archive", "--fly"] => ["archive", "--fly"],
            ["archive", .. var rest] => ["archive", "-v", "--begin", "--data-dir", Scene.DataDirectory, "--dst-local", rest is [] ? _root.Combine("archive") : archive, Segment],
            ["restore", .. var rest] => ["restore", "-v", "--timeout", "0", "--data-dir", _root.Combine("data"), "--source", archive, rest is ["absent"] ? "0000000100000000000000FE" : first, "target"],
            ["cleanup", "--dry-run"] => ["cleanup", "--dry-run", "--archive", _root.Combine("filled"), first[..16] + "000000FE"],
            ["cleanup"] => ["cleanup", "-v", "--archive", _root.Combine("filled"), first[..16] + "00000001"],
            ["resident"] =>
            [
                "resident", "-v", "--begin", "--data-dir", Scene.DataDirectory, "--dst-local", _root.Combine("archive"), "--spool", _root.Combine("spool"), "--socket", _root.Combine("socket"),
            ],
            ["init"] => ["init", "-v", "--data-dir", Scene.DataDirectory, "--archive", _root.Combine("begun")],
            ["show" or "verify", ..] => [.. call.Split(' ').Where(w => w != "nowhere"), "--archive", archive],
            ["dump", "nothing"] => ["dump", nowhere[0]],
            ["dump", ..] => [.. call.Split(' '), Segment],
            ["bench"] => ["bench", "--segments", _root.Combine("filled"), "--count", "1", "--codec", "none"],
            var words => words,
        };
    }

    private System.Diagnostics.Process Start(string stream, string error, string when, string[] words)
    {
        string[] redirected = [_root.Combine("out"), _root.Combine("err")];
        foreach (var file in redirected)
            File.WriteAllText(file, "");
        return WalProgram.StartFailing(_root.Combine(stream), error, when, redirected[0], redirected[1], words);
    }

    // What it is there for, then the end that a service manager gives it.
    private async Task ServeAsync(System.Diagnostics.Process tracer, string[] words)
    {
        var socket = words[Array.IndexOf(words, "--socket") + 1];
        await Eventually.TrueAsync(() => RunningResident.Listens(socket) || tracer.HasExited, "the resident process listens", cancellationToken: TestContext.Current.CancellationToken);
        var asked = await WalProgram.RunAsync(["archive", "-v", "--data-dir", Scene.DataDirectory, "--dst-local", _root.Combine("archive"), "--socket", socket, Segment]);
        foreach (var resident in ProcessTree.ChildrenOf(tracer.Id))
            ServerAccount.Signal(resident, 15);

        asked.ExitCode.Should().Be(0, asked.Error);
        asked.Error.Should().Contain("The resident process archived", "{0}", File.ReadAllText(_root.Combine("err")));
        File.ReadAllBytes(Path.Combine(_root.Combine("archive"), Path.GetFileName(Segment))).Should().Equal(File.ReadAllBytes(Segment));
    }
}
