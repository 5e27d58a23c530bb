using System.Text.RegularExpressions;

namespace OmniPg.Cli.Tests.Common;

public sealed class ShellTests
{
    [Theory]
    [InlineData("There is no command 'chek'. Is 'check' meant?", "jobmon", "chek")]
    [InlineData("There is no command 'nonsense'.", "nonsense")]
    [InlineData("There is no option '--lik'. Is '--like' meant?", "jobmon", "show", "--lik")]
    [InlineData("There is no option '--sinlge'. Is '--single' meant?", "jobmon", "exec", "--sinlge", "x", "--", "true")]
    [InlineData("There is no option '--version'.", "jobmon", "--version")]
    [InlineData("There is no option '--conection=x'. Is '--connection' meant?", "jobmon", "check", "--conection=x")]
    [InlineData("There is no option '--schemo'. Is '--schema' meant?", "jobmon", "reap", "--schemo", "s")]
    [InlineData("--liveness takes auto, lock or heartbeat, not 'none'.", "jobmon", "check", "--liveness", "none")]
    [InlineData("'2' is one word too many.", "jobmon", "cancel", "1", "2")]
    [InlineData("JOB_ID takes a whole number, not 'abc'.", "jobmon", "cancel", "abc")]
    [InlineData("--limit takes a whole number, not 'abc'.", "jobmon", "show", "--limit", "abc")]
    [InlineData("--interval takes a number, not 'fast'.", "jobmon", "top", "--interval", "fast")]
    [InlineData("--format takes table, nagios or json, not 'xml'.", "jobmon", "check", "--format", "xml")]
    [InlineData("Required argument missing for option: '--format'.", "jobmon", "check", "--format")]
    public async Task A_wrong_word_is_named_with_what_stands_there_instead(string error, params string[] args)
    {
        await using var cli = new CliRunner(null);

        var result = await cli.RunAsync(args);

        result.ExitCode.Should().Be(64);
        result.Output.Should().BeEmpty();
        result.Error.Should().StartWith($"omnipg: {error}\nhint: omnipg ").And.EndWith(" --help\n");
        result.Error.Should().NotContain("System.").And.NotContain("OmniPg.");
    }

    [Fact]
    public async Task Without_a_word_the_help_is_printed_and_the_exit_code_is_that_of_wrong_use()
    {
        await using var cli = new CliRunner(null);

        var bare = await cli.RunAsync();

        (bare.ExitCode, bare.Error).Should().Be((64, ""));
        bare.Output.Should().Be((await cli.RunAsync("--help")).Output).And.Contain("Example: omnipg jobmon check --format nagios");
    }

    [Theory]
    [InlineData("--version >/dev/full", 2)]
    [InlineData("--version >&-", 2)]
    [InlineData("--help >/dev/full", 2)]
    [InlineData("completion bash >/dev/full", 2)]
    [InlineData("jobmon install --script >/dev/full", 2)]
    [InlineData("jobmon install --script >&-", 2)]
    [InlineData("nonsense 2>/dev/full", 64)]
    [InlineData("nonsense 2>&-", 64)]
    [InlineData("nonsense <&- >&- 2>&-", 64)]
    [InlineData("jobmon show --connection Host=127.0.0.1;Port=1;Username=u;Timeout=1 2>/dev/full", 2)]
    [InlineData("jobmon show --connection Host=127.0.0.1;Port=1;Username=u;Timeout=1 2>&-", 2)]
    public async Task Output_that_is_lost_is_a_line_and_messages_that_are_lost_decide_nothing(string line, int exitCode)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Needs a shell.");
        using var shell = CliProcess.StartShell(null, $"exec $OMNIPG {line.Replace(";", "\\;", StringComparison.Ordinal)}");

        var result = await shell.EndAsync();

        result.ExitCode.Should().Be(exitCode, result.Error);
        result.Error.Should().MatchRegex(line.Contains("2>", StringComparison.Ordinal) ? "^$" : "^omnipg: Standard output cannot be written: [^\n]+\n$");
    }

    [Fact]
    public async Task A_word_with_an_at_sign_is_no_file_of_further_words()
    {
        await using var cli = new CliRunner(null);
        cli.Variables["OMNIPG_CONNECTION"] = "Host=127.0.0.1;Port=1;Username=u;Timeout=1";
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "--help", TestContext.Current.CancellationToken);

        var result = await cli.RunAsync("jobmon", "show", "@" + file);

        File.Delete(file);
        result.ExitCode.Should().Be(2);
        result.Output.Should().BeEmpty();
    }

    [Fact]
    public async Task Version_names_program_runtime_and_system()
    {
        await using var cli = new CliRunner(null);

        var result = await cli.RunAsync("--version");

        result.ExitCode.Should().Be(0);
        result.Output.Should().MatchRegex(@"^omnipg \d+\.\d+\.\d+ \(\.NET [0-9.]+, managed, [a-z0-9-]+\)\n$");
    }

    [Theory]
    [InlineData("omnipg job", "jobmon")]
    [InlineData("omnipg jobmon c", "cancel check")]
    [InlineData("omnipg jobmon check --f", "--format")]
    [InlineData("omnipg jobmon check --format n", "nagios")]
    [InlineData("omnipg jobmon check --liveness h", "heartbeat")]
    [InlineData("omnipg completion ", "bash fish zsh")]
    public async Task Bash_completes_commands_options_and_values(string line, string completed)
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "needs bash");
        const string Script =
            """
            omnipg() { "$OMNIPG" "$@"; }
            source <(omnipg completion bash)
            COMP_POINT=${#COMP_LINE}; COMP_WORDS=($COMP_LINE); [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _omnipg
            echo "${COMPREPLY[@]}"
            """;
        using var bash = CliProcess.StartShell(null, $"exec bash -c 'COMP_LINE=\"{line}\"; {Script.Replace("'", "'\\''", StringComparison.Ordinal)}'");

        var result = await bash.EndAsync();

        result.Error.Should().BeEmpty();
        Regex.Replace(result.Output, @"-\S+ (?=.*bash)", "").Should().Be(completed + "\n");
    }

    [Theory]
    [InlineData("bash", "complete -o default -F _omnipg omnipg\n")]
    [InlineData("zsh", "compdef _omnipg omnipg\n")]
    [InlineData("fish", "2>/dev/null)'\n")]
    public async Task Completion_scripts_exist_for_three_shells(string shell, string end)
    {
        await using var cli = new CliRunner(null);

        var result = await cli.RunAsync("completion", shell);

        result.ExitCode.Should().Be(0);
        result.Output.Should().EndWith(end).And.Contain("[suggest:");
    }
}
