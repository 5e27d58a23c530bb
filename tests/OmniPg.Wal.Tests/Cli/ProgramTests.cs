using OmniPg.Shared;

namespace OmniPg.Wal.Tests.Cli;

public sealed class ProgramTests : IDisposable
{
    private readonly Testing.TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("archive", "archive_command = 'omnipg-wal archive")]
    [InlineData("restore", "restore_command = 'omnipg-wal restore")]
    [InlineData("cleanup", "archive_cleanup_command = 'omnipg-wal cleanup")]
    [InlineData("resident", "omnipg-wal resident")]
    [InlineData("verify", "omnipg-wal verify")]
    [InlineData("show", "omnipg-wal show")]
    [InlineData("dump", "omnipg-wal dump")]
    [InlineData("bench", "omnipg-wal bench")]
    [InlineData("checksum", "omnipg-wal checksum")]
    [InlineData("completion", "source <(omnipg-wal completion bash)")]
    public async Task Every_verb_has_help_with_an_example(string verb, string example)
    {
        var help = await WalProgram.RunAsync(verb, "--help");
        var list = await WalProgram.RunAsync("--help");

        help.ExitCode.Should().Be(0);
        help.Output.Should().Contain("Example:\n  " + example).And.Contain("--config-file");
        list.Output.Should().Contain($"\n  {verb} ");
    }

    [Fact]
    public async Task Version_says_which_runtime_was_linked()
    {
        var result = await WalProgram.RunAsync("--version");

        (await WalProgram.RunAsync("archive", "-V")).Output.Should().Be(result.Output);
        result.ExitCode.Should().Be(0);
        result.Output.Should().MatchRegex(@"^omnipg-wal \d+\.\d+\.\d+\S* \(\.NET \d+\.\d+\.\d+, (managed|native), \S+\)\n$");
    }

    [Theory]
    [InlineData(new[] { "archive" }, "Expected the one argument %p, got 0")]
    [InlineData(new[] { "archive", "--dst-local", "/a", "one", "two" }, "got 2 argument(s): 'one' 'two'")]
    [InlineData(new[] { "archive", "--fly", "x" }, "The option '--fly' is not known here.")]
    [InlineData(new[] { "archive", "--dst-local" }, "The option --dst-local needs a value")]
    [InlineData(new[] { "cleanup", "--archive", "/tmp", "../x" }, "'../x' is not the name of a WAL file.")]
    [InlineData(new[] { "archive", "--verbose=1", "x" }, "The option --verbose takes no value")]
    [InlineData(new[] { "archive", "--validate", "some", "x" }, "wants one of none, header, full, not 'some'")]
    [InlineData(new[] { "archive", "--dst-local", "snappy=/a", "x" }, "'snappy' is unknown")]
    [InlineData(new[] { "archive", "--gzip-path=/bin/gzip", "x" }, "The option --gzip-path must be removed: gzip is built in.")]
    [InlineData(new[] { "archive", "-gp", "/bin/gzip", "x" }, "The option --gzip-path must be removed: gzip is built in.")]
    [InlineData(new[] { "archive", "--lz4-path", "/bin/lz4", "x" }, "The option --lz4-path must be removed: lz4 is built in.")]
    [InlineData(new[] { "archive", "-ll=/bin/lz4", "x" }, "The option --lz4-path must be removed: lz4 is built in.")]
    [InlineData(new[] { "archive", "--parallel-jobs", "0", "x" }, "The option --parallel-jobs wants a whole number of at least 1, not '0'.")]
    [InlineData(new[] { "cleanup", "--nice-path", "/bin/nice", "x" }, "The option '--nice-path' is not known here.")]
    [InlineData(new[] { "archive", "--dst-local", "/tmp", "pg_wal/x\nomnipg-wal: LOG: all is well" }, "'pg_wal/x\\x0Aomnipg-wal: LOG: all is well' is not the path of a WAL file")]
    [InlineData(new[] { "archive", "--dst-backup", "gzip=/a", "x" }, "wants an absolute path without compression")]
    public async Task Misuse_ends_with_20_and_names_the_word(string[] words, string message)
    {
        var result = await WalProgram.RunAsync(words);

        result.ExitCode.Should().Be(20);
        result.Error.Should().Contain(message);
        result.Error.Should().MatchRegex(@"^omnipg-wal: [^\n]+\n(hint: [^\n]+\n)?$");
        result.Output.Should().BeEmpty();
    }

    [Theory]
    [InlineData(new[] { "fly" }, "The verb 'fly' is not known")]
    [InlineData(new[] { "verify" }, "The option --archive is required.")]
    [InlineData(new[] { "archiv" }, "The verb 'archiv' is not known. Is 'archive' meant?\nhint: omnipg-wal --help")]
    [InlineData(new[] { "verify", "--archiv", "/tmp" }, "The option '--archiv' is not known here. Is '--archive' meant?\nhint: omnipg-wal verify --help")]
    [InlineData(new[] { "show", "--validate", "full" }, "The option '--validate' is not known here.\nhint: omnipg-wal show --help")]
    [InlineData(new[] { "dump" }, "Expected the path of a segment.")]
    [InlineData(new[] { "bench", "--segments", "/tmp", "--count", "0" }, "The option --count wants a whole number of at least 1, not '0'.")]
    [InlineData(new[] { "checksum", "-d", "CRC" }, "The digest 'CRC' is not known.\nhint: Use one of MD5, SHA-1, SHA-256, SHA-384, SHA-512.")]
    [InlineData(new[] { "completion", "tcsh" }, "'tcsh' is none of bash, fish, zsh.")]
    [InlineData(new string[0], "Usage: omnipg-wal VERB")]
    public async Task Misuse_of_what_PostgreSQL_does_not_call_ends_with_64(string[] words, string message)
    {
        var result = await WalProgram.RunAsync(words);

        result.ExitCode.Should().Be(64);
        result.Error.Should().Contain(message);
        result.Output.Should().BeEmpty();
    }

    [Theory]
    [InlineData("archive", "--dst-locl", "--dst-local")]
    [InlineData("archive", "--timeuot", "--timeout")]
    [InlineData("restore", "--sorce", "--source")]
    [InlineData("cleanup", "--dryrun", "--dry-run")]
    public async Task Misspelt_option_gets_a_suggestion(string verb, string misspelt, string meant)
    {
        var result = await WalProgram.RunAsync(verb, misspelt, "x");

        result.Error.Should().Be($"omnipg-wal: The option '{misspelt}' is not known here. Is '{meant}' meant?\nhint: omnipg-wal {verb} --help\n");
    }

    [Fact]
    public async Task Completion_of_bash_offers_verbs_options_and_nothing_that_is_refused()
    {
        var script = (await WalProgram.RunAsync("completion", "bash")).MustSucceed().Output;
        var file = _directory.Combine("completion");
        await File.WriteAllTextAsync(file, script, TestContext.Current.CancellationToken);

        (await CompleteAsync(file, "omnipg-wal", "re")).Should().Equal("receive", "resident", "restore");
        (await CompleteAsync(file, "omnipg-wal", "archive", "--dst-l")).Should().Equal("--dst-local");
        (await CompleteAsync(file, "omnipg-wal", "archive", "--gzip")).Should().BeEmpty();
        (await CompleteAsync(file, "omnipg-wal", "completion", "")).Should().Equal("bash", "fish", "zsh");
    }

    [Theory]
    [InlineData("fish", "complete -c omnipg-wal -n '__fish_seen_subcommand_from archive' -l dst-local -r -d ")]
    [InlineData("zsh", "#compdef omnipg-wal\n")]
    public async Task Completion_is_there_for_other_shells(string shell, string line)
    {
        var script = (await WalProgram.RunAsync("completion", shell)).MustSucceed().Output;

        script.Should().Contain(line).And.NotContain("gzip-path").And.NotContain("prefetch\n");
        var program = $"/usr/bin/{shell}";
        if (!File.Exists(program))
            return;
        var file = _directory.Combine("completion");
        await File.WriteAllTextAsync(file, script, TestContext.Current.CancellationToken);
        (await Testing.ServerProgram.RunAsync("/bin/sh", ["-c", $"{program} -n < '{file}'"], cancellationToken: TestContext.Current.CancellationToken)).MustSucceed();
    }

    [Fact]
    public async Task Checksum_prints_a_line_that_sha256sum_reads()
    {
        var result = await WalProgram.RunInAsync(null, "abc", "checksum", "-d", "SHA-256", "-f", "a file");
        var list = await WalProgram.RunAsync("checksum", "--list");
        var plain = await WalProgram.RunInAsync(null, "abc", "checksum");

        result.Should().BeEquivalentTo(new { ExitCode = 0, Output = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad *a file\n" });
        list.Output.Should().Be("MD5\nSHA-1\nSHA-256\nSHA-384\nSHA-512\n");
        plain.Output.Should().Be("900150983cd24fb0d6963f7d28e17f72 *<stdin>\n");
    }

    [Fact]
    public async Task Debug_and_verbose_show_words_and_environment_without_secrets()
    {
        var debug = await WalProgram.RunAsync("--debug", "--version", "host=h password=geheim sslmode=require", "https://me:geheim@host/x");
        var verbose = await WalProgram.RunAsync(
            "cleanup", "--verbose", "--archive", _directory.Path, "--removal-pause-trigger", "host=h PassWord = 'ge heim' x", "000000010000000000000001");

        debug.Error.Should().Contain("OMNIPG_TEST_PASSWORD=***").And.Contain("password=*** sslmode=require").And.Contain("https://me:***@host/x");
        verbose.Error.Should().Contain("Called with parameters: --verbose").And.Contain("PassWord =*** x");
        (debug.Error + verbose.Error).Should().NotContain("hunter2").And.NotContain("geheim").And.NotContain("ge heim");
    }

    [Theory]
    [InlineData("Host=h;Pwd=geheim;Username=u", "Host=h;Pwd=***;Username=u")]
    [InlineData("Host=h;Psw = geheim", "Host=h;Psw =***")]
    [InlineData("Password=ge heim;Host=h", "Password=***;Host=h")]
    [InlineData("Password='ge''heim';Host=h", "Password=***;Host=h")]
    [InlineData("AccountName=a;AccountKey=geheim==;EndpointSuffix=x", "AccountName=a;AccountKey=***;EndpointSuffix=x")]
    public async Task Every_way_to_write_a_password_into_a_connection_string_is_hidden(string word, string shown)
    {
        var debug = await WalProgram.RunAsync("--debug", "--version", word);

        debug.Error.Should().Contain($"argument 2: {shown}\n").And.NotContain("heim");
    }

    [Fact]
    public async Task Configuration_file_gives_options_and_the_command_line_overrides_them()
    {
        var archive = Directory.CreateDirectory(_directory.Combine("näme with ' and % blanks")).FullName;
        await File.WriteAllTextAsync(Path.Combine(archive, "000000010000000000000001.gz"), "x", TestContext.Current.CancellationToken);
        var file = _directory.Combine("wal.conf");
        await File.WriteAllTextAsync(file, $"# ours\n--archive {archive}\n-d\n", TestContext.Current.CancellationToken);

        var result = await WalProgram.RunAsync("cleanup", "--config", file, "000000010000000000000002");

        result.Should().BeEquivalentTo(new { ExitCode = 0, Output = "000000010000000000000001.gz\n" });
        Directory.GetFiles(archive).Should().HaveCount(1);
    }

    [Fact]
    public async Task Second_instance_with_one_pid_file_ends_with_12()
    {
        var path = _directory.Combine("pid");
        using var held = FileLock.TryAcquireForProcess(path);

        var result = await WalProgram.RunAsync("cleanup", "--archive", _directory.Path, "--pid-file", path, "000000010000000000000001");

        result.ExitCode.Should().Be(12);
        result.Error.Should().Contain($"held by a running process ('{Environment.ProcessId}')");
    }

    private static async Task<string[]> CompleteAsync(string script, params string[] words)
    {
        var line = $"source '{script}'; COMP_WORDS=({string.Join(' ', words.Select(w => $"'{w}'"))}); COMP_CWORD={words.Length - 1}; _omnipg_wal; printf '%s\\n' \"${{COMPREPLY[@]}}\"";
        var result = await Testing.ServerProgram.RunAsync("bash", ["-c", line], cancellationToken: TestContext.Current.CancellationToken);
        return [.. result.MustSucceed().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
    }
}
