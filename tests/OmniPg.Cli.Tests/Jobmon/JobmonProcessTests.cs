using System.Text.Json;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Jobmon;

/// <summary>The commands as an operator calls them: the built program, one process after the other.</summary>
public sealed class JobmonProcessTests(PgClusterFixture server)
{
    [Fact]
    public async Task A_day_with_the_job_log()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        Task<CliResult> OmniPgAsync(params string[] args) => CliProcess.RunAsync(database.ConnectionString, ["jobmon", .. args]);

        (await OmniPgAsync("install", "--schema", "log")).Output.Should().Be("Installed: job log in schema log (own), side tables in omnipg_jobmon\n");
        (await OmniPgAsync("check", "--schema", "log")).Should().Be(new CliResult(0, "OK\tOK\t\tAll jobs run successfully\n", ""));
        (await OmniPgAsync("rule", "load", "--warn", "1 day", "--error", "2 days", "--sensitivity", "0", "--escalate", "3")).Should().Be(new CliResult(0, "Rule for job 'load' is on\n", ""));
        (await OmniPgAsync("check", "--format", "nagios")).Should().Match<CliResult>(r => r.ExitCode == 2 && r.Output.StartsWith("CRITICAL(LOAD(MISSING): "));
        (await OmniPgAsync("run", "load", "--sql", "SELECT generate_series(1, 3)")).Should().Be(new CliResult(0, "Job logged with job id: 1\n", ""));
        (await OmniPgAsync("check", "--format", "nagios")).Should().Match<CliResult>(r => r.ExitCode == 0 && r.Output.StartsWith("OK(All jobs run successfully)|failed=0;;1 "));
        await database.ExecuteAsync("SELECT log.fail_job(log.add_job('load'), 2)", TestContext.Current.CancellationToken);
        (await OmniPgAsync("check", "--format", "nagios")).Should().Match<CliResult>(r => r.ExitCode == 1 && r.Output.StartsWith("WARNING(LOAD(FAILED_RUN): 1 WARNING run(s))|"));
        (await OmniPgAsync("exec", "load", "--", "sh", "-c", "echo to the log; exit 7")).Should().Be(new CliResult(7, "to the log\n", ""));
        (await OmniPgAsync("show", "load", "--limit", "2")).Output.Should().MatchRegex("^3\tLOAD\tCRITICAL\t[^\n]*\n2\tLOAD\tWARNING\t[^\n]*\n$");
        (await OmniPgAsync("detail", "1")).Output.Should().Contain("\tOK\t").And.EndWith("\tRows affected: 3\n");
        (await OmniPgAsync("detail", "LOAD")).Output.Should().StartWith("3\t").And.Contain("Exit code 7 after 1 line of output");
        (await OmniPgAsync("cancel", "3")).Should().Be(new CliResult(1, "The run has ended before\n", ""));
        (await OmniPgAsync("rule", "load", "--inactive")).Should().Be(new CliResult(0, "Rule for job 'load' is off\n", ""));
        (await OmniPgAsync("reap")).Should().Be(new CliResult(0, "Closed 0 dead runs\n", ""));
        (await OmniPgAsync("top", "--once")).Output.Should().MatchRegex("^latest\t3\tLOAD\tCRITICAL\t");
        (await OmniPgAsync("purge", "--older-than", "0 seconds")).Should().Be(new CliResult(0, "Deleted 3 runs\n", ""));
        (await OmniPgAsync("show")).Output.Should().MatchRegex("^4\tPURGING PG_JOBMON JOB LOGS\tOK\t[^\n]*\n$");
    }

    [Fact]
    public async Task An_unreachable_server_is_unknown_to_a_check_and_an_error_to_all_else()
    {
        const string Nowhere = "Host=127.0.0.1;Port=1;Username=u;Password=secret;Timeout=2";

        var nagios = await CliProcess.RunAsync(Nowhere, "jobmon", "check", "--format", "nagios");
        var table = await CliProcess.RunAsync(Nowhere, "jobmon", "check");
        var json = await CliProcess.RunAsync(Nowhere, "jobmon", "check", "--json");
        var top = await CliProcess.RunAsync(Nowhere, "jobmon", "top");

        nagios.ExitCode.Should().Be(3);
        nagios.Output.Should().StartWith("UNKNOWN(").And.EndWith(")\n").And.NotContain("secret");
        nagios.Error.Should().BeEmpty();
        table.ExitCode.Should().Be(3);
        table.Output.Should().BeEmpty();
        table.Error.Should().StartWith("omnipg: ").And.NotContain("secret").And.NotContain("   at ");
        json.Should().Be(table);
        top.ExitCode.Should().Be(2);
        top.Error.Should().StartWith("omnipg: ").And.NotContain("   at ");
    }

    [Theory]
    [InlineData("install", "mode")]
    [InlineData("check", "worst")]
    [InlineData("show", null)]
    [InlineData("detail x", null)]
    [InlineData("run x --sql select", "jobId")]
    [InlineData("exec x -- true", "exitCode")]
    [InlineData("rule x --warn 1h --error 2h", "active")]
    [InlineData("cancel 1", "result")]
    [InlineData("purge --keep 1", "deletedJobs")]
    [InlineData("reap", "reapedJobs")]
    [InlineData("top", "running")]
    public async Task Json_is_one_document_and_messages_are_beside_it(string command, string? member)
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        var words = command.Split(' ');
        var split = Array.IndexOf(words, "--") is var at and >= 0 ? at : words.Length;

        var result = await CliProcess.RunAsync(cli.Database.ConnectionString, ["jobmon", .. words[..split], "--json", .. words[split..]]);

        var root = JsonDocument.Parse(result.Output).RootElement;
        root.ValueKind.Should().Be(member is null ? JsonValueKind.Array : JsonValueKind.Object);
        if (member is not null)
            root.TryGetProperty(member, out _).Should().BeTrue();
    }

    [Fact]
    public async Task The_server_is_named_by_keywords_a_uri_a_variable_or_those_of_libpq()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        var settings = new NpgsqlConnectionStringBuilder(cli.Database.ConnectionString);
        var uri = $"postgresql://{settings.Username}@{settings.Host}:{settings.Port}/{settings.Database}";
        var libpq = $"PGHOST={settings.Host} PGPORT={settings.Port} PGUSER={settings.Username} PGDATABASE={settings.Database}";
        using var byLibpq = CliProcess.StartShell(null, $"{libpq} $OMNIPG jobmon check");

        var expected = new CliResult(0, "OK\tOK\t\tAll jobs run successfully\n", "");
        (await CliProcess.RunAsync("Host=127.0.0.1;Port=1", "jobmon", "check", "--connection", cli.Database.ConnectionString)).Should().Be(expected);
        (await CliProcess.RunAsync(null, "jobmon", "check", "--connection", uri)).Should().Be(expected);
        (await CliProcess.RunAsync(cli.Database.ConnectionString, "jobmon", "check")).Should().Be(expected);
        (await byLibpq.EndAsync()).Should().Be(expected);
    }
}
