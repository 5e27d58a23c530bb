using System.Text.Json;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Jobmon;

public sealed class JobmonCommandTests(PgClusterFixture server)
{
    private const string Data =
        """
        INSERT INTO jobmon.job_log (owner, job_name, start_time, end_time, status, pid) VALUES
            ('etl', 'ORDERS', '2026-01-01 10:00Z', '2026-01-01 10:00:01.5Z', 'OK', 1),
            ('etl', 'ORDERS', '2026-01-02 10:00Z', '2026-01-02 12:30:00Z', 'CRITICAL', 1),
            ('dba', 'FACTS', '2026-01-03 10:00Z', '2026-01-05 11:00:00Z', 'OK', 1);
        INSERT INTO jobmon.job_detail (job_id, action, start_time, end_time, status, message) VALUES
            (2, 'extract', '2026-01-02 10:00Z', '2026-01-02 10:00:02Z', 'OK', 'Rows affected: 7'),
            (2, 'load', '2026-01-02 10:00:02Z', '2026-01-02 12:30:00Z', 'CRITICAL', E'ERROR: no\nspace');
        """;

    [Fact]
    public async Task Install_says_what_it_made_and_that_it_was_there_before()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);

        var first = await cli.RunAsync("jobmon", "install", "--schema", "log");
        var second = await cli.RunAsync("jobmon", "install");
        var json = await cli.RunAsync("jobmon", "install", "--json");

        first.Should().Be(new CliResult(0, "Installed: job log in schema log (own), side tables in omnipg_jobmon\n",
            "note: functions called from SQL log inside their caller's transaction, because the extension dblink is not installed\n"));
        second.Output.Should().Be("Already installed: job log in schema log (own), side tables in omnipg_jobmon\n");
        JsonDocument.Parse(json.Output).RootElement.GetProperty("alreadyInstalled").GetBoolean().Should().BeTrue();
    }

    [Fact]
    public async Task Install_script_installs_when_a_dba_runs_it_and_grant_prints_rights()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);

        var script = await cli.RunAsync("jobmon", "install", "--script", "--schema", "my log");
        var grant = await cli.RunAsync("jobmon", "install", "--schema", "my log", "--grant", "some one", "--access", "read");
        await cli.Database.ExecuteAsync(script.Output, TestContext.Current.CancellationToken);

        script.ExitCode.Should().Be(0);
        grant.Output.Should().StartWith("GRANT USAGE ON SCHEMA \"my log\", \"omnipg_jobmon\" TO \"some one\";\n");
        (await cli.RunAsync("jobmon", "check")).Should().Be(new CliResult(0, "OK\tOK\t\tAll jobs run successfully\n", ""));
    }

    [Fact]
    public async Task Show_and_detail_print_lines_and_json()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        await cli.Database.ExecuteAsync(Data, TestContext.Current.CancellationToken);

        (await cli.RunAsync("jobmon", "show", "orders")).Output.Should().Be(
            "2\tORDERS\tCRITICAL\t2026-01-02 10:00:00Z\t2:30:00\tetl\n1\tORDERS\tOK\t2026-01-01 10:00:00Z\t1.50 s\tetl\n");
        (await cli.RunAsync("jobmon", "show", "--like", "^f", "--limit", "5")).Output.Should().Be("3\tFACTS\tOK\t2026-01-03 10:00:00Z\t2d 1:00:00\tdba\n");
        (await cli.RunAsync("jobmon", "show", "--status", "CRITICAL")).Output.Should().StartWith("2\tORDERS").And.NotContain("\n1");
        (await cli.RunAsync("jobmon", "show", "--running")).Should().Be(new CliResult(0, "", ""));
        (await cli.RunAsync("jobmon", "detail", "orders")).Output.Should().Be(
            "2\t1\textract\tOK\t2026-01-02 10:00:00Z\t2.00 s\tRows affected: 7\n2\t2\tload\tCRITICAL\t2026-01-02 10:00:02Z\t2:29:58\tERROR: no space\n");
        (await cli.RunAsync("jobmon", "detail", "2")).Output.Should().Be((await cli.RunAsync("jobmon", "detail", "orders")).Output);
        var json = JsonDocument.Parse((await cli.RunAsync("jobmon", "show", "--json", "--limit", "1")).Output).RootElement;
        json[0].GetProperty("jobName").GetString().Should().Be("FACTS");
        JsonDocument.Parse((await cli.RunAsync("jobmon", "detail", "2", "--json")).Output).RootElement[1].GetProperty("message").GetString().Should().Be("ERROR: no\nspace");
    }

    [Fact]
    public async Task Check_exits_0_1_2_and_3_like_a_monitoring_plugin()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        async Task<CliResult> CheckAsync(params string[] more) => await cli.RunAsync(["jobmon", "check", .. more]);

        var ok = await CheckAsync("--format", "nagios");
        (await cli.RunAsync("jobmon", "rule", "load", "--warn", "1 day", "--error", "2 days")).Should().Be(new CliResult(0, "Rule for job 'load' is on\n", ""));
        await cli.Database.ExecuteAsync("SELECT jobmon.fail_job(jobmon.add_job('load'), 2)", TestContext.Current.CancellationToken);
        var warning = await CheckAsync("--format", "nagios");
        await cli.Database.ExecuteAsync("SELECT jobmon.fail_job(jobmon.add_job('load'))", TestContext.Current.CancellationToken);
        var critical = await CheckAsync("--json");
        cli.Variables["OMNIPG_CONNECTION"] = "Host=127.0.0.1;Port=1;Username=u;Password=secret;Timeout=2";
        var unknown = await CheckAsync("--format", "nagios");

        ok.ExitCode.Should().Be(0);
        ok.Output.Should().StartWith("OK(All jobs run successfully)|failed=0;;1 missing=0;;1 running=0 ");
        warning.ExitCode.Should().Be(1);
        warning.Output.Should().StartWith("WARNING(LOAD(FAILED_RUN): 1 WARNING run(s))|failed=1;;1 ");
        critical.ExitCode.Should().Be(2);
        var json = JsonDocument.Parse(critical.Output).RootElement;
        json.GetProperty("worst").GetInt32().Should().Be(3);
        json.GetProperty("alerts").EnumerateArray().Select(a => $"{a.GetProperty("level")} {a.GetProperty("status")} {a.GetProperty("jobName")} {a.GetProperty("text")}")
            .Should().Equal("3 FAILED_RUN LOAD 1 CRITICAL run(s)", "2 FAILED_RUN LOAD 1 WARNING run(s)");
        unknown.ExitCode.Should().Be(3);
        unknown.Output.Should().StartWith("UNKNOWN(").And.NotContain("secret");
    }

    [Fact]
    public async Task Rules_are_set_listed_and_linted()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);

        (await cli.RunAsync("jobmon", "rules")).Should().Be(new CliResult(0, "", ""));
        (await cli.RunAsync("jobmon", "rule", "load", "--warn", "26 hours", "--error", "1 mon", "--sensitivity", "1", "--escalate", "3", "--schedule", "30 2 * * *", "--time-zone",
            "Europe/Berlin", "--grace", "20 minutes", "--min-runtime", "10 s", "--max-runtime", "2 hours", "--stall", "15 min")).Should().Be(new CliResult(0, "Rule for job 'load' is on\n", ""));
        (await cli.RunAsync("jobmon", "rule", "off", "--warn", "1 h", "--error", "1 h", "--inactive")).Output.Should().Be("Rule for job 'off' is off\n");
        var rules = await cli.RunAsync("jobmon", "rules");
        var json = JsonDocument.Parse((await cli.RunAsync("jobmon", "rules", "--json")).Output).RootElement;
        var lint = await cli.RunAsync("jobmon", "lint");

        rules.Should().Be(new CliResult(0, "LOAD\ton\t26:00:00\t1 mon\t1\t3\t30 2 * * * Europe/Berlin, up to 00:20:00 late\tat least 00:00:10, at most 02:00:00, progress every 00:15:00\t\n"
            + "OFF\toff\t01:00:00\t01:00:00\t0\t\t\t\t\n", ""));
        (json[0].GetProperty("jobName").GetString(), json[0].GetProperty("active").GetBoolean(), json[0].GetProperty("error").GetString(), json[0].GetProperty("escalate").GetInt32(),
            json[0].GetProperty("grace").GetString(), json[1].GetProperty("schedule").ValueKind).Should().Be(("LOAD", true, "1 mon", 3, "00:20:00", JsonValueKind.Null));
        lint.ExitCode.Should().Be(1);
        lint.Output.Should().Be("LOAD\tnever-ran\tNo run of that name is in the log.\n"
            + "OFF\tinactive\tThe rule is off, and an inactive rule also silences the default rule of three failed runs.\n");
        foreach (var (option, value, message) in new[]
        {
            ("--schedule", "@daily", "A cron schedule has five fields; '@daily' has '1'."), ("--max-runtime", "soon", "--max-runtime: 'soon' is not a PostgreSQL interval, such as '1 day', '26 hours' or 'P1M'."),
            ("--stall", "0 s", "The time without progress of job 'load' cannot be '00:00:00': it must be longer than zero."),
        })
            (await cli.RunAsync("jobmon", "rule", "load", option, value)).Should().Be(new CliResult(64, "", $"omnipg: {message}\n"));
        (await cli.RunAsync("jobmon", "rule", "load", "--schedule", "* * * * *", "--time-zone", "Mars/Base")).Error.Should().Be("omnipg: Time zone 'Mars/Base' is unknown on this machine.\n");
        (await cli.RunAsync("jobmon", "rules")).Output.Should().Be(rules.Output, "what was refused has changed nothing");
    }

    [Fact]
    public async Task Failures_are_acknowledged_by_run_or_name_and_jobs_muted_for_a_time()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        await cli.RunAsync("jobmon", "rule", "load", "--warn", "1 day", "--error", "2 days");
        await cli.Database.ExecuteAsync("SELECT jobmon.fail_job(jobmon.add_job('load')) FROM generate_series(1, 3)", TestContext.Current.CancellationToken);
        async Task<string> CheckAsync() => (await cli.RunAsync("jobmon", "check")).Output;

        (await cli.RunAsync("jobmon", "ack", "2", "-m", "known")).Should().Be(new CliResult(0, "Took note of 1 failure\n", ""));
        (await CheckAsync()).Should().Be("CRITICAL\tFAILED_RUN\tLOAD\t2 CRITICAL run(s)\n");
        (await cli.RunAsync("jobmon", "mute", "load", "--for", "soon")).Should().Be(new CliResult(64, "", "omnipg: --for: 'soon' is not a PostgreSQL interval, such as '1 day', '26 hours' or 'P1M'.\n"));
        (await cli.RunAsync("jobmon", "mute", "load", "--for", "0 s")).Should().Be(new CliResult(64, "", "omnipg: A job is muted for longer than zero, not for '00:00:00'.\n"));
        (await cli.RunAsync("jobmon", "mute", "Load", "--for", "2 hours", "-m", "disk")).Output.Should().MatchRegex("^Job 'Load' is muted until ....-..-.. ..:..:..Z\n$");
        (await cli.RunAsync("jobmon", "check", "--format", "nagios")).Output.Should().StartWith("OK(LOAD(FAILED_RUN): 2 CRITICAL run(s) [muted])|");
        (await cli.RunAsync("jobmon", "rules")).Output.Should().MatchRegex($"LOAD\ton\t1 day\t2 days\t0\t\t\t\tuntil ....-..-.. ..:..:..Z by {Environment.UserName}: disk\n$");
        (await cli.RunAsync("jobmon", "unmute", "load")).Should().Be(new CliResult(0, "Job 'load' is not muted\n", ""));
        (await cli.RunAsync("jobmon", "unmute", "nobody")).ExitCode.Should().Be(0);
        (await cli.RunAsync("jobmon", "ack", "load", "--json")).Should().Be(new CliResult(0, "{\n  \"acknowledged\": 2\n}\n", ""));
        (await cli.RunAsync("jobmon", "ack", "load")).Should().Be(new CliResult(1, "No failure of 'load' is there to take note of\n", ""));
        (await CheckAsync()).Should().Be("OK\tOK\t\tAll jobs run successfully\n");
        (await cli.Database.ScalarAsync<string>("SELECT string_agg(job_name || ' ' || job_ids::text || ' ' || acknowledged_by || ' ' || coalesce(why, '~'), ', ' ORDER BY acknowledged_at) FROM omnipg_jobmon.acknowledgement", TestContext.Current.CancellationToken))
            .Should().Be($"LOAD {{2}} {Environment.UserName} known, LOAD {{1,3}} {Environment.UserName} ~");
        (await cli.RunAsync("jobmon", "rules")).Output.Should().Be("LOAD\ton\t1 day\t2 days\t0\t\t\t\t\n", "unmuting makes no rule");
    }

    [Fact]
    public async Task Missing_job_is_told_with_last_start_threshold_and_how_late()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        await cli.RunAsync("jobmon", "rule", "late", "--warn", "26 hours", "--error", "30 hours");
        await cli.RunAsync("jobmon", "rule", "never", "--warn", "1 hour", "--error", "2 hours");
        await cli.Database.ExecuteAsync("INSERT INTO jobmon.job_log (owner, job_name, start_time, end_time, status, pid) VALUES ('me', 'LATE', now() - interval '3 days 12:00', now() - interval '3 days 11:00', 'OK', 1)",
            TestContext.Current.CancellationToken);
        const string Late = @"Has not completed a run since highest configured monitoring time period\. Last start: ....-..-.. ..:..:..Z; allowed without a start: 30:00:00; late by 2d 6:00:\d\d";
        const string Never = @"Has not completed a run since highest configured monitoring time period\. Never started; allowed without a start: 02:00:00";

        var table = await cli.RunAsync("jobmon", "check");
        var nagios = await cli.RunAsync("jobmon", "check", "--format", "nagios");
        var json = JsonDocument.Parse((await cli.RunAsync("jobmon", "check", "--json")).Output).RootElement.GetProperty("alerts");

        table.Output.Should().MatchRegex($"^CRITICAL\tMISSING\tLATE\t{Late}\nCRITICAL\tMISSING\tNEVER\t{Never}\n$");
        nagios.Output.Should().MatchRegex($@"^CRITICAL\(LATE\(MISSING\): {Late};; NEVER\(MISSING\): {Never}\)\|");
        (json[0].GetProperty("threshold").GetString(), json[1].GetProperty("threshold").GetString()).Should().Be(("30:00:00", "02:00:00"));
        json[0].GetProperty("lateSeconds").GetDouble().Should().BeInRange(54 * 3600, (54 * 3600) + 600);
        json[0].GetProperty("lastStart").GetDateTimeOffset().Should().BeBefore(DateTimeOffset.UtcNow.AddDays(-3));
        (json[1].GetProperty("lastStart").ValueKind, json[1].GetProperty("lateSeconds").ValueKind).Should().Be((JsonValueKind.Null, JsonValueKind.Null));
    }

    [Fact]
    public async Task Two_logs_of_one_database_are_served_by_their_side_schemas()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        string[] second = ["--schema", "log2", "--side-schema", "side2"];

        var install = await cli.RunAsync(["jobmon", "install", .. second]);
        var grant = await cli.RunAsync(["jobmon", "install", "--grant", "some one", .. second]);
        var exec = await cli.RunAsync(["jobmon", "exec", .. second, "--liveness", "heartbeat", "hello", "--", "true"]);
        var locked = await cli.RunAsync(["jobmon", "exec", "--liveness", "lock", .. second, "hello", "--", "true"]);
        var mute = await cli.RunAsync(["jobmon", "mute", "hello", "--for", "1 h", .. second]);

        install.Output.Should().Be("Installed: job log in schema log2 (own), side tables in side2\n");
        grant.Output.Should().StartWith("GRANT USAGE ON SCHEMA \"log2\", \"side2\" TO \"some one\";\n").And.NotContain("omnipg_jobmon\"");
        (exec, locked).Should().Be((new CliResult(0, "", ""), new CliResult(0, "", "")));
        mute.ExitCode.Should().Be(0);
        (await cli.Database.ScalarAsync<string>("SELECT string_agg(s.liveness || ' ' || r.display_name, ', ' ORDER BY r.job_id) || ' ' || (SELECT count(*) FROM omnipg_jobmon.run) FROM side2.run r JOIN side2.session s USING (session_id)", TestContext.Current.CancellationToken))
            .Should().Be("heartbeat hello, lock hello 0");
    }

    [Fact]
    public async Task Login_that_is_refused_names_server_database_and_what_to_look_at()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        var nobody = new Npgsql.NpgsqlConnectionStringBuilder(cli.Database.ConnectionString) { Username = "nobody_knows" };
        var nowhere = new Npgsql.NpgsqlConnectionStringBuilder(cli.Database.ConnectionString) { Database = "no such" };

        var user = await cli.RunAsync("jobmon", "show", "--connection", nobody.ConnectionString);
        var database = await cli.RunAsync("jobmon", "check", "--connection", nowhere.ConnectionString);
        var schema = await cli.RunAsync("schema", "diff", nobody.ConnectionString, Path.GetTempPath());

        var at = $"{nobody.Host}:{nobody.Port}/{cli.Database.Name}";
        user.Error.Should().Be($"omnipg: The job log on '{at}' could not be used for 'list jobs': role \"nobody_knows\" does not exist\nhint: Check user and password of the connection, and the server's pg_hba.conf.\n");
        (database.ExitCode, database.Error).Should().Be((3, $"omnipg: The job log on '{nobody.Host}:{nobody.Port}/no such' could not be used for 'check': database \"no such\" does not exist\nhint: Name a database of that server in the connection.\n"));
        schema.Should().Be(new CliResult(2, "", $"omnipg: role \"nobody_knows\" does not exist (28000) on '{at}'\nhint: Check user, password and database of the connection: the command line, OMNIPG_CONNECTION, or PGUSER, PGPASSWORD and PGDATABASE.\n"));
    }

    [Fact]
    public async Task Wrong_password_ends_every_command_with_its_code_and_exec_with_that_of_the_program()
    {
        await using var cluster = await OmniPg.Testing.PgCluster.StartAsync(new OmniPg.Testing.PgClusterOptions { Password = "right" }, TestContext.Current.CancellationToken);
        await using var cli = new CliRunner(null);
        var wrong = new Npgsql.NpgsqlConnectionStringBuilder(cluster.ConnectionString) { Password = "secret" };
        cli.Variables["OMNIPG_CONNECTION"] = wrong.ConnectionString;
        var at = $"{wrong.Host}:{wrong.Port}/{wrong.Database}";
        var refused = $"password authentication failed for user \"{wrong.Username}\"";
        CliResult Unusable(int code, string operation) => new(code, "",
            $"omnipg: The job log on '{at}' could not be used for '{operation}': {refused}\nhint: Check user and password of the connection, and the server's pg_hba.conf.\n");

        (await cli.RunAsync("jobmon", "check")).Should().Be(Unusable(3, "check"));
        (await cli.RunAsync("jobmon", "show")).Should().Be(Unusable(2, "list jobs"));
        (await cli.RunAsync("jobmon", "install")).Should().Be(Unusable(2, "install"));
        (await cli.RunAsync("jobmon", "run", "x", "--sql", "SELECT 1")).ExitCode.Should().Be(2);
        var exec = await cli.RunAsync("jobmon", "exec", "x", "--", "sh", "-c", "echo done; exit 7");
        (exec.ExitCode, exec.Output).Should().Be((7, "done\n"));
        exec.Error.Should().Contain(refused).And.NotContain("secret").And.NotContain("   at ");
    }

    [Fact]
    public async Task Run_logs_sql_and_tells_its_outcome()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);

        var good = await cli.RunAsync("jobmon", "run", "refresh", "--sql", "SELECT 1");
        var bad = await cli.RunAsync("jobmon", "run", "refresh", "--sql", "SELECT 1/0");

        good.Should().Be(new CliResult(0, "Job logged with job id: 1\n", ""));
        bad.Should().Be(new CliResult(2, "Job ID 2 failed. See job_detail table for more details\n", "omnipg: division by zero (22012)\n"));
        (await cli.RunAsync("jobmon", "show", "refresh", "--status", "CRITICAL")).Output.Should().StartWith("2\tREFRESH\tCRITICAL");
        (await cli.RunAsync("jobmon", "run", "routine", "--sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT f()"))
            .Should().Be(new CliResult(0, "Job logged with job id: 3\n", ""));
    }

    [Fact]
    public async Task Cancel_purge_reap_and_top_tell_what_they_did()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        await cli.Database.ExecuteAsync(Data + "INSERT INTO jobmon.job_log (owner, job_name, start_time, pid) VALUES ('me', 'LOST', now() - interval '1 d', 1), ('me', 'GONE', now(), 1)",
            TestContext.Current.CancellationToken);

        (await cli.RunAsync("jobmon", "cancel", "1")).Should().Be(new CliResult(1, "The run has ended before\n", ""));
        (await cli.RunAsync("jobmon", "cancel", "99")).Should().Be(new CliResult(2, "There is no such run\n", ""));
        (await cli.RunAsync("jobmon", "cancel", "4")).Should().Be(new CliResult(0, "Nobody was at work on the run; it was marked as cancelled\n", ""));
        (await cli.RunAsync("jobmon", "reap")).Should().Be(new CliResult(0, "Closed 0 dead runs\n", ""));
        (await cli.RunAsync("jobmon", "reap", "--foreign")).Should().Be(new CliResult(0, "Closed 1 dead run\n", ""));
        var top = await cli.RunAsync("jobmon", "top", "--once");
        top.ExitCode.Should().Be(0);
        top.Output.Should().Contain("latest\t3\tFACTS\tOK\t2026-01-03 10:00:00Z\t2d 1:00:00\tdba\n").And.EndWith("alert\tOK\tOK\t\tAll jobs run successfully\n");
        (await cli.RunAsync("jobmon", "purge", "--older-than", "0 s")).Should().Be(new CliResult(0, "Deleted 5 runs\n", ""));
    }

    [Fact]
    public async Task Rule_cancel_reap_and_purge_answer_with_one_json_object()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);
        await cli.Database.ExecuteAsync(Data, TestContext.Current.CancellationToken);

        (await cli.RunAsync("jobmon", "rule", "load", "--warn", "1 day", "--error", "2 days", "--json")).Output.Should().Be("{\n  \"jobName\": \"load\",\n  \"active\": true\n}\n");
        (await cli.RunAsync("jobmon", "cancel", "1", "--json")).Should().Be(new CliResult(1, "{\n  \"result\": \"AlreadyFinished\"\n}\n", ""));
        (await cli.RunAsync("jobmon", "reap", "--json")).Output.Should().Be("{\n  \"reapedJobs\": 0\n}\n");
        (await cli.RunAsync("jobmon", "purge", "--older-than", "0 s", "--json")).Output.Should().Be("{\n  \"deletedJobs\": 3,\n  \"anotherAtWork\": false\n}\n");
    }

    [Theory]
    [InlineData("omnipg: Required command was not provided.\nhint: omnipg jobmon --help\n", "jobmon")]
    [InlineData("omnipg: JOB_ID is missing.\nhint: omnipg jobmon cancel --help\n", "jobmon", "cancel")]
    [InlineData("omnipg: NAME is missing.\nomnipg: PROGRAM ARGS is missing.\nhint: omnipg jobmon exec --help\n", "jobmon", "exec")]
    [InlineData("omnipg: NAME must not be empty.\n", "jobmon", "show", "")]
    [InlineData("omnipg: NAME must not be empty.\n", "jobmon", "rule", " ", "--warn", "1 h", "--error", "2 h")]
    [InlineData("omnipg: NAME must not be empty.\n", "jobmon", "exec", "", "--", "true")]
    [InlineData("omnipg: JOB_ID|NAME must not be empty.\n", "jobmon", "detail", "")]
    [InlineData("omnipg: --sql must not be empty.\n", "jobmon", "run", "x", "--sql", "")]
    [InlineData("omnipg: --schema must not be empty.\n", "jobmon", "install", "--schema", "")]
    [InlineData("omnipg: --access goes with --grant.\n", "jobmon", "install", "--access", "read")]
    [InlineData("omnipg: --script and --grant are two questions: ask one at a time.\n", "jobmon", "install", "--script", "--grant", "etl")]
    [InlineData("omnipg: --grant must not be empty.\n", "jobmon", "install", "--grant", "")]
    [InlineData("omnipg: --interval takes a number, not '1,5'.\nhint: omnipg jobmon top --help\n", "jobmon", "top", "--interval", "1,5")]
    [InlineData("omnipg: --interval takes 0.1 to 3600 seconds.\n", "jobmon", "top", "--interval", "1e9")]
    [InlineData("omnipg: --keep takes one or more.\n", "jobmon", "purge", "--keep", "0")]
    [InlineData("omnipg: --sensitivity takes zero or more.\n", "jobmon", "rule", "x", "--sensitivity", "-1")]
    [InlineData("omnipg: --escalate takes zero or more.\n", "jobmon", "rule", "x", "--escalate", "-1")]
    [InlineData("omnipg: Say what to delete: --older-than or --keep.\n", "jobmon", "purge")]
    [InlineData("omnipg: --limit takes zero or more.\n", "jobmon", "show", "--limit", "-1")]
    [InlineData("omnipg: --grace and --time-zone go with --schedule.\n", "jobmon", "rule", "x", "--grace", "1 h")]
    [InlineData("omnipg: --side-schema must not be empty.\n", "jobmon", "check", "--side-schema", "")]
    [InlineData("omnipg: --message must not be empty.\n", "jobmon", "ack", "x", "-m", "")]
    [InlineData("omnipg: The connection URI has an unknown parameter 'colour'.\n", "jobmon", "show", "--connection", "postgresql://u:secret@h/d?colour=red")]
    public async Task A_wrong_command_line_exits_64_with_one_line(string error, params string[] args)
    {
        await using var cli = new CliRunner(null);

        var result = await cli.RunAsync(args);

        result.Should().Be(new CliResult(64, "", error));
    }

    [Fact]
    public async Task Errors_of_the_server_are_one_line_with_a_hint_and_the_stack_only_on_demand()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);

        var plain = await cli.RunAsync("jobmon", "show");
        var verbose = await cli.RunAsync("jobmon", "show", "--verbose");
        var nagios = await cli.RunAsync("jobmon", "check", "--format", "nagios");
        var interval = await cli.RunAsync("jobmon", "install");
        interval = await cli.RunAsync("jobmon", "rule", "x", "--warn", "soon", "--error", "1 h");

        plain.ExitCode.Should().Be(2);
        plain.Error.Should().Be($"omnipg: Database '{cli.Database.Name}' has neither extension 'pg_jobmon' nor a job log in schema 'jobmon'.\n"
            + "hint: omnipg jobmon install\n");
        verbose.Error.Should().Contain("   at OmniPg.");
        nagios.Should().Be(new CliResult(3,
            $"UNKNOWN(Database '{cli.Database.Name}' has neither extension 'pg_jobmon' nor a job log in schema 'jobmon'. Hint: omnipg jobmon install)\n", ""));
        (await cli.RunAsync("jobmon", "check", "--format", "nagios", "--history", "soon")).Should().Be(new CliResult(3,
            "UNKNOWN(--history: 'soon' is not a PostgreSQL interval, such as '1 day', '26 hours' or 'P1M'.)\n", ""), "a plugin speaks on standard output only");
        (await cli.RunAsync("jobmon", "check", "--history", "soon")).ExitCode.Should().Be(64);
        interval.ExitCode.Should().Be(64);
        interval.Error.Should().Be("omnipg: --warn: 'soon' is not a PostgreSQL interval, such as '1 day', '26 hours' or 'P1M'.\n");
    }

    [Theory]
    [InlineData("install")]
    [InlineData("check")]
    [InlineData("show")]
    [InlineData("detail")]
    [InlineData("run")]
    [InlineData("exec")]
    [InlineData("rule")]
    [InlineData("cancel")]
    [InlineData("purge")]
    [InlineData("reap")]
    [InlineData("rules")]
    [InlineData("ack")]
    [InlineData("mute")]
    [InlineData("unmute")]
    [InlineData("lint")]
    [InlineData("top")]
    public async Task Every_command_has_help_with_an_example(string command)
    {
        await using var cli = new CliRunner(null);

        var help = await cli.RunAsync("jobmon", command, "--help");

        help.ExitCode.Should().Be(0);
        help.Output.Should().Contain($"Example: omnipg jobmon {command}").And.Contain("--connection <STRING>");
    }
}
