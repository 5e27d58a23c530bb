using System.Diagnostics;
using System.Runtime.InteropServices;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Jobmon;

public sealed class ExecCommandTests(PgClusterFixture server)
{
    [Fact]
    public async Task Exec_passes_output_and_exit_code_on_and_logs_them()
    {
        Assert.SkipUnless(File.Exists("/bin/sh"), "needs /bin/sh");
        await using var cli = await CliRunner.CreateAsync(server.Cluster);

        var good = await cli.RunAsync("jobmon", "exec", "nightly import", "--", "/bin/sh", "-c", "echo one; echo --two");
        var bad = await cli.RunAsync("jobmon", "exec", "nightly import", "--", "/bin/sh", "-c", "echo out; echo wrong >&2; exit 5");

        good.Should().Be(new CliResult(0, "one\n--two\n", ""));
        bad.Should().Be(new CliResult(5, "out\n", "wrong\n"));
        (await cli.RunAsync("jobmon", "show", "nightly import", "--status", "OK")).Output.Should().StartWith("1\tNIGHTLY IMPORT\tOK\t");
        (await cli.RunAsync("jobmon", "detail", "1")).Output.Should().Contain("\tRunning program: /bin/sh\tOK\t").And.EndWith("\tExit code 0 after 2 lines of output\n");
        (await cli.RunAsync("jobmon", "detail", "2")).Output.Should().Contain("\tCRITICAL\t").And.Contain("Exit code 5 after 2 lines of output: wrong");
    }

    [Fact]
    public async Task A_program_that_does_not_exist_is_a_failed_job_and_exit_code_127()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);

        var result = await cli.RunAsync("jobmon", "exec", "x", "--", "/nowhere/program");

        result.ExitCode.Should().Be(127);
        result.Error.Should().StartWith("omnipg: program '/nowhere/program' could not be started: ");
        (await cli.RunAsync("jobmon", "show", "x")).Output.Should().StartWith("1\tX\tCRITICAL\t");
    }

    [Fact]
    public async Task Output_that_is_no_text_and_very_long_lines_pass()
    {
        Assert.SkipUnless(File.Exists("/bin/sh"), "needs /bin/sh");
        await using var cli = await CliRunner.CreateAsync(server.Cluster);

        // FF FE is the byte order mark of UTF-16: the rest must not be read as such.
        var result = await cli.RunAsync("jobmon", "exec", "binary", "--", "/bin/sh", "-c", "printf '\\377\\376 bad \\200\\n'; head -c 1000000 /dev/zero | tr '\\0' x; echo");

        result.ExitCode.Should().Be(0);
        result.Output.Should().Be("\uFFFD\uFFFD bad \uFFFD\n" + new string('x', 1_000_000) + "\n");
        (await cli.RunAsync("jobmon", "detail", "1")).Output.Should().Contain("Exit code 0 after 2 lines of output");
    }

    [Fact]
    public async Task The_program_runs_although_the_log_cannot_be_reached()
    {
        Assert.SkipUnless(File.Exists("/bin/sh"), "needs /bin/sh");
        await using var cli = new CliRunner(null);
        cli.Variables["OMNIPG_CONNECTION"] = "Host=127.0.0.1;Port=1;Username=u;Timeout=1";

        var result = await cli.RunAsync("jobmon", "exec", "x", "--", "/bin/sh", "-c", "echo done");

        result.ExitCode.Should().Be(0);
        result.Output.Should().Be("done\n");
    }

    [Fact]
    public async Task Signals_reach_the_program_and_the_job_is_closed()
    {
        Assert.SkipUnless(RuntimeInformation.IsOSPlatform(OSPlatform.Linux), "needs POSIX signals");
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        var program = Path.Combine(AppContext.BaseDirectory, "omnipg.dll");
        Assert.SkipUnless(File.Exists(Path.ChangeExtension(program, ".runtimeconfig.json")), "needs the program beside the tests");
        var start = new ProcessStartInfo(Environment.ProcessPath!.Contains("dotnet", StringComparison.Ordinal) ? Environment.ProcessPath! : "dotnet")
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
            ArgumentList = { program, "jobmon", "exec", "long one", "--", "/bin/sh", "-c", "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done" },
            Environment = { ["OMNIPG_CONNECTION"] = cli.Database.ConnectionString },
        };
        using var process = Process.Start(start)!;
        var ready = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);

        Process.Start("kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]).WaitForExit();
        var rest = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        ready.Should().Be("ready");
        rest.Should().Be("caught\n");
        process.ExitCode.Should().Be(9);
        (await cli.RunAsync("jobmon", "show", "long one")).Output.Should().StartWith("1\tLONG ONE\tCRITICAL\t");
    }
}
