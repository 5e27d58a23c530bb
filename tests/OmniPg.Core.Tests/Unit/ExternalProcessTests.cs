using System.Diagnostics;
using System.Text;
using OmniPg.Testing;

namespace OmniPg.Core.Tests.Unit;

public sealed class ExternalProcessTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Arguments_reach_the_program_as_they_stand()
    {
        var output = await ExternalProcess.RunAsync(new() { FileName = "printf", Arguments = ["%s|", "a b", "$HOME", "'; rm -rf x", ""] }, Token);

        output.Should().Be("a b|$HOME|'; rm -rf x||");
    }

    [Fact]
    public async Task Input_flows_through_to_the_output()
    {
        await using var process = ExternalProcess.Start(new() { FileName = "cat", RedirectInput = true });
        var reading = new StreamReader(process.StandardOutput).ReadToEndAsync(Token);
        await process.StandardInput.WriteAsync(Encoding.UTF8.GetBytes("through"), Token);
        await process.StandardInput.DisposeAsync();

        (await reading).Should().Be("through");
        (await process.WaitAsync(Token)).Should().Be(new ExternalProcessResult(0, ""));
    }

    [Fact]
    public async Task A_launcher_hands_text_to_the_program_and_returns_what_it_wrote()
    {
        var output = await ExternalProcess.Launcher.RunAsync(new() { FileName = "tr", Arguments = ["a-z", "A-Z"], RedirectInput = true }, "text ü", Token);

        output.Should().Be("TEXT ü");
    }

    [Fact]
    public async Task A_program_that_ends_without_reading_its_input_is_reported_with_its_own_words()
    {
        var run = () => ExternalProcess.Launcher.RunAsync(
            new() { FileName = "sh", Arguments = ["-c", "exec <&-; echo refused >&2; exit 3"], RedirectInput = true }, new string('x', 1024 * 1024), Token);

        (await run.Should().ThrowAsync<ExternalProcessException>()).Which.Result.Should().Be(new ExternalProcessResult(3, "refused"));
    }

    [Fact]
    public void The_text_of_a_command_holds_no_variables()
    {
        var options = new ExternalProcessOptions { FileName = "pg_dump", Arguments = ["--schema-only"], Environment = new Dictionary<string, string?> { ["PGPASSWORD"] = "secret" } };

        options.ToString().Should().Be("pg_dump --schema-only");
    }

    [Fact]
    public async Task A_failing_program_is_reported_with_its_last_words()
    {
        var run = () => ExternalProcess.RunAsync(new() { FileName = "sh", Arguments = ["-c", "echo oops >&2; exit 7"] }, Token);

        var error = (await run.Should().ThrowAsync<ExternalProcessException>()).Which;

        error.Message.Should().Be("The program 'sh' ended with exit code '7': oops");
        error.Result.Should().Be(new ExternalProcessResult(7, "oops"));
        error.Code.Should().Be("process.failed");
    }

    [Fact]
    public void A_missing_program_is_named()
    {
        var start = () => ExternalProcess.Start(new() { FileName = "no-such-program-here" });

        start.Should().Throw<ExternalProcessException>().WithMessage("The program 'no-such-program-here' could not be started: *")
            .Which.Code.Should().Be("process.start");
    }

    [Fact]
    public async Task A_flood_on_standard_error_blocks_nobody_and_only_its_end_is_kept()
    {
        var lines = 0;
        await using var process = ExternalProcess.Start(new()
        {
            FileName = "sh",
            Arguments = ["-c", "i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done"],
            ErrorTailLimit = 100,
            OnErrorLine = _ => Interlocked.Increment(ref lines),
        });

        var result = await process.WaitAsync(Token);

        lines.Should().Be(20000);
        result.ErrorTail.Should().EndWith("line 19999").And.Match(t => t.Length <= 100);
    }

    [Fact]
    public async Task A_line_without_end_does_not_fill_the_memory()
    {
        var longest = 0;
        await using var process = ExternalProcess.Start(new()
        {
            FileName = "sh",
            Arguments = ["-c", "head -c 5000000 /dev/zero | tr '\\0' x >&2; echo >&2; printf last >&2"],
            ErrorTailLimit = 100,
            OnErrorLine = line => longest = Math.Max(longest, line.Length),
        });

        var result = await process.WaitAsync(Token);

        result.ErrorTail.Should().EndWith("x\nlast").And.HaveLength(100);
        longest.Should().BeInRange(101, 100 + 4096);
    }

    [Fact]
    public async Task Cancellation_kills_the_whole_tree()
    {
        using var directory = new TemporaryDirectory();
        var pidFile = directory.Combine("pid");
        await using var process = ExternalProcess.Start(new() { FileName = "sh", Arguments = ["-c", $"sleep 100 & echo $! > {pidFile}; wait"] });
        await Eventually.TrueAsync(() => File.Exists(pidFile) && File.ReadAllText(pidFile).EndsWith('\n'), "the grandchild started", cancellationToken: Token);
        using var cancel = new CancellationTokenSource();

        var wait = process.WaitAsync(cancel.Token);
        await cancel.CancelAsync();

        await ((Func<Task>)(() => wait)).Should().ThrowAsync<OperationCanceledException>();
        var grandchild = int.Parse(await File.ReadAllTextAsync(pidFile, Token));
        await Eventually.TrueAsync(() => !IsAlive(grandchild), "the grandchild ended", cancellationToken: Token);
    }

    [Fact]
    public async Task Variables_are_set_and_removed()
    {
        Environment.SetEnvironmentVariable("OMNIPG_TEST_REMOVED", "here");

        var output = await ExternalProcess.RunAsync(new()
        {
            FileName = "sh",
            Arguments = ["-c", "echo \"$OMNIPG_TEST_SET,$OMNIPG_TEST_REMOVED\""],
            Environment = new Dictionary<string, string?> { ["OMNIPG_TEST_SET"] = "set", ["OMNIPG_TEST_REMOVED"] = null },
        }, Token);

        output.Should().Be("set,\n");
    }

    private static bool IsAlive(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
