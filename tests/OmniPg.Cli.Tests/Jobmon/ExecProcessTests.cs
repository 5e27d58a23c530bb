using System.Security.Cryptography;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Jobmon;

/// <summary>What a program below <c>omnipg jobmon exec</c> and its caller see of each other.</summary>
public sealed class ExecProcessTests(PgClusterFixture server) : IAsyncLifetime
{
    private CliRunner _cli = null!;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs a POSIX shell and signals");
        _cli = await CliRunner.CreateAsync(server.Cluster);
    }

    public async ValueTask DisposeAsync()
    {
        if (_cli is not null)
            await _cli.DisposeAsync();
    }

    [Theory]
    [InlineData("printf '\\377\\376 bad \\200\\nno newline at the end'", 2)]
    [InlineData("head -c 10000000 /dev/zero | tr '\\0' x; echo; echo end", 2)]
    [InlineData("seq 100000", 100_000)]
    [InlineData("head -c 3000000 /dev/urandom | tee copy | sha256sum >&2; cat copy; rm copy", null)]
    [InlineData("printf '10 %%\\r20 %%\\r\\033[32m100 %%\\033[0m\\n'", 1)]
    [InlineData("true", 0)]
    public async Task Output_passes_byte_for_byte_and_its_lines_are_counted(string script, int? lines)
    {
        using var folder = new TemporaryDirectory();
        using var folderOfDirect = new TemporaryDirectory();    // scripts write files by the same names, at the same time
        using var process = CliProcess.StartShell(_cli.Database.ConnectionString, $"cd '{folder.Path}'; $OMNIPG jobmon exec job -- sh -c '{script.Replace("'", "'\\''", StringComparison.Ordinal)}'; exit $?");
        using var direct = CliProcess.StartShell(null, $"cd '{folderOfDirect.Path}' && {script}");
        var error = process.Process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var seen = await HashAsync(process.Output.BaseStream);
        var sent = await HashAsync(direct.Output.BaseStream);
        await process.Process.WaitForExitAsync(TestContext.Current.CancellationToken);

        process.Process.ExitCode.Should().Be(0);
        if (lines is null)
        {
            (await error).Should().StartWith(seen.ToLowerInvariant());
            return;
        }
        seen.Should().Be(sent);
        (await error).Should().BeEmpty();
        var count = lines == 1 ? "1 line" : $"{lines} lines";
        var detail = (await _cli.RunAsync("jobmon", "detail", "job")).Output;
        detail.Should().EndWith($"\tExit code 0 after {count} of output\n");
    }

    [Fact]
    public async Task The_last_line_is_progress_while_the_program_runs()
    {
        using var process = CliProcess.Start(_cli.Database.ConnectionString, "jobmon", "exec", "reader", "--", "sh", "-c", "echo one; printf 'bad \\377 two\\n\\n'; read answer; echo got $answer; exit 3");

        (await process.Output.ReadLineAsync(TestContext.Current.CancellationToken)).Should().Be("one");
        await Eventually.TrueAsync(async () => (await ScalarAsync<string?>("SELECT message FROM jobmon.job_detail WHERE status = 'PENDING'"))?.StartsWith("bad \uFFFD two (3", StringComparison.Ordinal) == true,
            "the last line with text is in the log", cancellationToken: TestContext.Current.CancellationToken);
        await process.Process.StandardInput.WriteLineAsync("input");
        var result = await process.EndAsync();

        result.ExitCode.Should().Be(3);
        result.Output.Should().EndWith("\n\ngot input\n");
        (await ScalarAsync<string>("SELECT message FROM jobmon.job_detail")).Should().StartWith("ERROR: Exit code 3 after 4 lines of output");
    }

    [Theory]
    [InlineData("TERM", "TERM", 9)]
    [InlineData("INT", "INT", 9)]
    [InlineData("HUP", "HUP", 9)]
    public async Task Signals_reach_the_program_and_its_exit_code_counts(string sent, string trapped, int exitCode)
    {
        using var process = CliProcess.Start(
            _cli.Database.ConnectionString, "jobmon", "exec", "long one", "--", "sh", "-c", $"trap 'echo caught; exit 9' {trapped}; echo ready; while :; do sleep 0.05; done");
        var ready = await process.Output.ReadLineAsync(TestContext.Current.CancellationToken);

        await process.SendAsync(sent);
        var result = await process.EndAsync();

        ready.Should().Be("ready");
        result.Should().Be(new CliResult(exitCode, "caught\n", ""));
        (await _cli.RunAsync("jobmon", "show", "long one")).Output.Should().StartWith("1\tLONG ONE\tCRITICAL\t");
    }

    [Fact]
    public async Task A_program_killed_by_a_signal_is_a_failed_job_that_names_it()
    {
        var result = await CliProcess.RunAsync(_cli.Database.ConnectionString, "jobmon", "exec", "killed", "--", "sh", "-c", "echo last words >&2; kill -9 $$");

        result.Should().Be(new CliResult(137, "", "last words\n"));
        (await ScalarAsync<string>("SELECT message FROM jobmon.job_detail")).Should().StartWith("ERROR: Exit code 137 (SIGKILL) after 1 line of output: last words");
    }

    [Fact]
    public async Task When_nobody_reads_the_output_any_more_the_program_ends_as_without_omnipg()
    {
        using var process = CliProcess.StartShell(_cli.Database.ConnectionString, "$OMNIPG jobmon exec endless -- yes | head -n 2");

        var result = await process.EndAsync();

        result.Should().Be(new CliResult(0, "y\ny\n", ""));
        await Eventually.TrueAsync(async () => await ScalarAsync<string?>("SELECT status FROM jobmon.job_log") == "CRITICAL",
            "the job has ended", cancellationToken: TestContext.Current.CancellationToken);
        (await ScalarAsync<string>("SELECT message FROM jobmon.job_detail")).Should().StartWith("ERROR: Exit code 141 (SIGPIPE) after ");
    }

    [Fact]
    public async Task Cancelling_the_job_terminates_the_program()
    {
        using var process = CliProcess.Start(_cli.Database.ConnectionString, "jobmon", "exec", "cancelled", "--", "sh", "-c", "echo ready; exec sleep 600");
        await process.Output.ReadLineAsync(TestContext.Current.CancellationToken);

        var cancel = await _cli.RunAsync("jobmon", "cancel", "1");
        var result = await process.EndAsync();

        cancel.Should().Be(new CliResult(0, "The process of the run was told\n", ""));
        result.ExitCode.Should().Be(143);
        (await ScalarAsync<string>("SELECT message FROM jobmon.job_detail")).Should().StartWith("ERROR: Cancelled. Exit code 143 (SIGTERM) after 1 line of output");
    }

    [Fact]
    public async Task Killing_omnipg_itself_is_reported_as_a_dead_job_once_with_its_last_line()
    {
        using var process = CliProcess.Start(_cli.Database.ConnectionString, "jobmon", "exec", "doomed", "--single", "--", "sh", "-c", "echo half way; read forever");
        await process.Output.ReadLineAsync(TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(async () => await ScalarAsync<string?>("SELECT message FROM jobmon.job_detail WHERE status = 'PENDING'") is not null,
            "the progress is in the log", cancellationToken: TestContext.Current.CancellationToken);

        await process.SendAsync("KILL");
        await process.Process.WaitForExitAsync(TestContext.Current.CancellationToken);
        // What a minute without a sign of life looks like.
        await _cli.Database.ExecuteAsync("UPDATE omnipg_jobmon.session SET heartbeat_at = heartbeat_at - interval '2 minutes'", TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(async () => (await _cli.RunAsync("jobmon", "check", "--format", "nagios")).Output.StartsWith("CRITICAL(DOOMED(DIED): ", StringComparison.Ordinal),
            "the check reports the dead job", cancellationToken: TestContext.Current.CancellationToken);
        var second = await _cli.RunAsync("jobmon", "reap");
        var failures = await ScalarAsync<long>("SELECT count(*) FROM jobmon.job_check_log");
        var again = await _cli.RunAsync("jobmon", "exec", "doomed", "--single", "--", "true");

        second.Output.Should().Be("Closed 0 dead runs\n");
        again.Should().Be(new CliResult(0, "", ""));
        (await ScalarAsync<string>("SELECT message FROM jobmon.job_detail ORDER BY step_id LIMIT 1")).Should().StartWith("DIED: ").And.Contain("\nhalf way (1");
        failures.Should().Be(1);
    }

    [Fact]
    public async Task A_program_is_looked_for_in_PATH_and_not_in_the_working_directory()
    {
        using var folder = new TemporaryDirectory();
        using var missing = CliProcess.StartShell(
            _cli.Database.ConnectionString, $"cd '{folder.Path}'; printf '#!/bin/sh\necho here\n' > own; chmod 700 own; $OMNIPG jobmon exec x -- own");
        var first = await missing.EndAsync();
        using var found = CliProcess.StartShell(_cli.Database.ConnectionString, $"PATH=$PATH:'{folder.Path}' $OMNIPG jobmon exec y -- own");
        var second = await found.EndAsync();
        using var forbidden = CliProcess.StartShell(_cli.Database.ConnectionString, $"cd '{folder.Path}'; chmod 600 own; $OMNIPG jobmon exec z -- ./own");
        var third = await forbidden.EndAsync();

        first.Should().Be(new CliResult(127, "", "omnipg: program 'own' is in no folder of PATH\n"));
        second.Should().Be(new CliResult(0, "here\n", ""));
        third.ExitCode.Should().Be(126);
        third.Error.Should().Contain("Permission denied");
        (await _cli.RunAsync("jobmon", "show", "--status", "CRITICAL")).Output.Should().MatchRegex("^\\d\tZ\tCRITICAL\t.*\n\\d\tX\tCRITICAL\t.*\n$");
    }

    private async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = _cli.Database.DataSource.CreateCommand(sql);
        return await command.ExecuteScalarAsync(TestContext.Current.CancellationToken) is T value ? value : default!;
    }

    private static async Task<string> HashAsync(Stream stream) => Convert.ToHexString(await SHA256.HashDataAsync(stream, TestContext.Current.CancellationToken));
}
