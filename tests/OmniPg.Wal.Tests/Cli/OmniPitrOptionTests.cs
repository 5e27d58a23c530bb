using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Recovery;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>Configuration files of OmniPITR: every option of its programs, by its long and by its short name, does what it did there.</summary>
[Collection(nameof(ProgramCollection))]
public sealed class OmniPitrOptionTests(RecoveryScene scene) : IDisposable
{
    private readonly TemporaryDirectory _root = new();

    public void Dispose() => _root.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Archive_does_all_that_its_old_configuration_file_says(bool isShort)
    {
        Assert.SkipUnless(new[] { "rsync", "bzip2", "xz", "nice" }.All(p => File.Exists("/usr/bin/" + p) || File.Exists("/bin/" + p)), "A program is missing.");
        using var host = new FakeRemoteHost();
        var pipe = TestScript.Write(_root.Combine("pipe"), $"cat > '{MakeDirectory("piped")}/'$1");
        string[] codecs = ["gzip", "lz4", "bzip2", "xz", "lzma"];
        (string Long, string Short, string? Value)[] options =
        [
            .. codecs.Select(c => ("--dst-local", "-dl", (string?)$"{c}={MakeDirectory(c)}")),
            ("--dst-remote", "-dr", $"gzip=wal@db.example:{MakeDirectory("remote")}"), ("--dst-pipe", "-dp", "lz4=" + pipe),
            ("--dst-backup", "-db", MakeDirectory("backup")), ("--data-dir", "-D", scene.Primary.DataDirectory),
            ("--bzip2-path", "-bp", Wrapper("bzip2")), ("--xz-path", "-xz", Wrapper("xz")), ("--lzma-path", "-lp", Wrapper("lzma", "xz")),
            ("--nice-path", "-np", Wrapper("nice")), ("--rsync-path", "-rp", host.Rsync), ("--temp-dir", "-t", MakeDirectory("temp")),
            ("--state-dir", "-s", MakeDirectory("state")), ("--parallel-jobs", "-PJ", "2"), ("--pid-file", "--pid-file", _root.Combine("pid")),
            ("--log", "-l", _root.Combine("log-^Y-^m")), ("--force-data-dir", "-f", null), ("--verbose", "-v", null),
        ];

        var result = await WalProgram.RunAsync("archive", "--begin", "--cfg", Configuration(options, isShort), Segments[0]);

        result.ExitCode.Should().Be(0, result.Error + string.Concat(Directory.GetFiles(_root.Path, "log-*").Select(File.ReadAllText)));
        var original = await File.ReadAllBytesAsync(Segments[0], TestContext.Current.CancellationToken);
        foreach (var (place, codec) in codecs.Zip(codecs).Concat([("remote", "gzip"), ("piped", "lz4"), ("backup", "none")]))
            ArchiveScene.Decode(_root.Combine(place, Path.GetFileName(Segments[0]) + Codec.Parse(codec).Extension)).Should().Equal(original, "'{0}' holds it", place);
        Calls.Should().Contain(c => c.StartsWith($"nice {_root.Path}/run-xz --stdout", StringComparison.Ordinal))
            .And.Contain(c => c.StartsWith($"nice {_root.Path}/run-bzip2 --stdout", StringComparison.Ordinal))
            .And.Contain(c => c.StartsWith("lzma --stdout", StringComparison.Ordinal));
        host.Calls.Should().Contain(c => c.Contains(_root.Combine("temp") + "/", StringComparison.Ordinal));
        host.Hosts.Should().OnlyContain(h => h == "wal@db.example");
        File.ReadAllText(Directory.GetFiles(_root.Path, "log-*").Single()).Should().Contain("successfully sent to all destinations.").And.Contain("Called with parameters: --begin --cfg");
        File.Exists(_root.Combine("pid")).Should().BeFalse();
    }

    [Theory]
    [InlineData("--not-nice")]
    [InlineData("-nn")]
    public async Task Without_nice_the_program_runs_as_it_is(string option)
    {
        string[] words = ["archive", "--begin", "-D", scene.Primary.DataDirectory, "-dl", "xz=" + MakeDirectory("a"), "-np", Wrapper("nice"), "-xz", Wrapper("xz"), option, Segments[0]];

        var result = await WalProgram.RunAsync(words);

        result.ExitCode.Should().Be(0, result.Error);
        Calls.Should().OnlyContain(c => c.StartsWith("xz ", StringComparison.Ordinal)).And.NotBeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Restore_does_all_that_its_old_configuration_file_says(bool isShort)
    {
        var (archive, data, seen) = (MakeDirectory("bz2"), MakeDirectory("data"), _root.Combine("seen"));
        foreach (var segment in Segments[..2])
            await using (var sink = Codec.Bzip2.Compress(File.Create(Path.Combine(archive, Path.GetFileName(segment) + ".bz2"))))
                await sink.WriteAsync(await File.ReadAllBytesAsync(segment, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        (string Long, string Short, string? Value)[] options =
        [
            ("--source", "-s", "bzip2=" + archive), ("--data-dir", "-D", data), ("--log", "-l", _root.Combine("log")), ("--verbose", "-v", null),
            ("--bzip2-path", "-bp", Wrapper("bzip2")), ("--xz-path", "-xz", "/nowhere"), ("--lzma-path", "-lp", "/nowhere"), ("--temp-dir", "-t", MakeDirectory("temp")),
            ("--error-pgcontroldata", "-ep", "break"), ("--finish-trigger", "-f", _root.Combine("no-finish")), ("--streaming-replication", "-sr", null),
            ("--recovery-delay", "-w", "0"), ("--removal-pause-trigger", "-p", _root.Combine("no-pause")), ("--remove-at-a-time", "-rt", "1"),
            ("--remove-before", "-rb", null), ("--remove-unneeded", "-r", Path.GetFileName(Segments[1])), ("--pid-file", "--pid-file", _root.Combine("pid")),
            ("--pre-removal-processing", "-h", $"pwd >> '{seen}'; test -f"),
        ];
        await File.WriteAllTextAsync(Path.Combine(data, "PG_VERSION"), "15\n", TestContext.Current.CancellationToken);

        var result = await WalProgram.RunAsync("restore", "--config", Configuration(options, isShort), Path.GetFileName(Segments[1]), "target");

        result.ExitCode.Should().Be(0, File.ReadAllText(_root.Combine("log")));
        File.ReadAllBytes(Path.Combine(data, "target")).Should().Equal(await File.ReadAllBytesAsync(Segments[1], TestContext.Current.CancellationToken));
        Directory.GetFiles(archive).Select(Path.GetFileName).Should().Equal(Path.GetFileName(Segments[1]) + ".bz2");
        File.ReadAllLines(seen).Should().ContainSingle().Which.Should().StartWith(_root.Combine("temp") + "/");
        Calls.Should().OnlyContain(c => c.StartsWith("bzip2 --decompress", StringComparison.Ordinal)).And.NotBeEmpty();
        File.ReadAllText(_root.Combine("log")).Should().Contain($"Segment {Path.GetFileName(Segments[1])} restored").And.Contain("removed, as it is too old");
    }

    [Theory]
    [InlineData("--pgcontroldata-path")]
    [InlineData("-pp")]
    [InlineData("--gzip-path")]
    [InlineData("-ll")]
    public async Task Restore_says_which_old_option_must_go_and_stops_the_recovery(string option)
    {
        var result = await WalProgram.RunAsync("restore", option, "/usr/bin/x", "--source", scene.Archive, Path.GetFileName(Segments[0]), _root.Combine("target"));

        result.ExitCode.Should().Be(255);
        result.Error.Should().MatchRegex("The option --(pgcontroldata|gzip|lz4)-path must be removed: ");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cleanup_does_all_that_its_old_configuration_file_says(bool isShort)
    {
        var archive = MakeDirectory("gz");
        foreach (var segment in Segments[..3])
            await File.WriteAllTextAsync(Path.Combine(archive, Path.GetFileName(segment) + ".gz"), "", TestContext.Current.CancellationToken);
        (string Long, string Short, string? Value)[] options =
        [
            ("--archive", "-a", "gzip=" + archive), ("--log", "-l", _root.Combine("log")), ("--verbose", "-v", null), ("--pid-file", "--pid-file", _root.Combine("pid")),
            ("--removal-pause-trigger", "-p", _root.Combine("no-pause")),
        ];

        var result = await WalProgram.RunAsync("cleanup", "--config-file", Configuration(options, isShort), Path.GetFileName(Segments[2]));

        result.ExitCode.Should().Be(0, result.Error);
        Directory.GetFiles(archive).Select(Path.GetFileName).Should().Equal(Path.GetFileName(Segments[2]) + ".gz");
        File.ReadAllText(_root.Combine("log")).Should().Contain(" : LOG : 2 files removed.");
    }

    private string[] Segments => [.. Directory.GetFiles(scene.PlainCopies).Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal)];

    private string[] Calls => File.ReadAllLines(_root.Combine("calls"));

    private string MakeDirectory(string name) => Directory.CreateDirectory(_root.Combine(name)).FullName;

    /// <summary>A program that notes how it was called and then does the work.</summary>
    private string Wrapper(string name, string? program = null) =>
        TestScript.Write(_root.Combine("run-" + name), $"echo \"{name} $*\" >> '{_root.Combine("calls")}'\nexec {program ?? name} \"$@\"");

    /// <summary>One option per line, in all the forms that a line may have.</summary>
    private string Configuration(IEnumerable<(string Long, string Short, string? Value)> options, bool isShort)
    {
        var path = _root.Combine("omnipitr.conf");
        File.WriteAllLines(path, options.Select((o, i) => (isShort ? o.Short : o.Long) + (o.Value is null ? "" : (i % 2 == 0 ? " " : "=") + o.Value)).Prepend("# old").Append(""));
        return path;
    }
}
