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
        (await cli.RunAsync("jobmon", "detail", "1")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().ContainSingle("the outcome is told once")
            .Which.Should().Contain("\tRunning program: /bin/sh\tOK\t").And.EndWith("\tExit code 0 after 2 lines of output");
        (await cli.RunAsync("jobmon", "detail", "2")).Output.Should().Contain("\tCRITICAL\t").And.Contain("Exit code 5 after 2 lines of output: wrong");
    }

    [Fact]
    public async Task A_program_that_does_not_exist_is_a_failed_job_and_exit_code_127()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);

        var result = await cli.RunAsync("jobmon", "exec", "x", "--", "/nowhere/program");

        result.ExitCode.Should().Be(127);
        result.Error.Should().Contain("omnipg: program '/nowhere/program' could not be started: ").And.Contain("No such file");
        (await cli.RunAsync("jobmon", "show", "x")).Output.Should().StartWith("1\tX\tCRITICAL\t");
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
        result.Error.Should().StartWith("omnipg: The job log on 127.0.0.1:1/u did not take the event ").And.EndWith(
            "omnipg: Lost 4 events of the job log at shutdown. The last reason: Failed to connect to 127.0.0.1:1\n").And.NotContain("   at ");
    }

    [Fact]
    public async Task The_program_runs_and_it_is_said_that_nothing_is_installed_to_log_to()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);

        var result = await cli.RunAsync("jobmon", "exec", "x", "--", "sh", "-c", "echo done");

        (result.ExitCode, result.Output).Should().Be((0, "done\n"));
        result.Error.Should().Contain($"Database '{cli.Database.Name}' has neither extension 'pg_jobmon' nor a job log in schema 'jobmon'.");
    }

    [Fact]
    public async Task Exec_with_json_prints_one_document_and_the_output_beside_it()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);

        var result = await cli.RunAsync("jobmon", "exec", "x", "--json", "--", "sh", "-c", "echo one; exit 4");

        result.Should().Be(new CliResult(4, "{\n  \"jobId\": 1,\n  \"exitCode\": 4,\n  \"lines\": 1\n}\n", "one\n"));
    }
}
