using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Monitoring;

/// <summary>Rules R1 to R5 and what own mode adds, table-driven: rows at exact offsets in one transaction, where now() stands still.</summary>
public sealed class CheckRuleTests(PgClusterFixture server)
{
    private const string Config = "INSERT INTO S.job_check_config (job_name, warn_threshold, error_threshold, active, sensitivity) VALUES ";
    private const string Failed = "INSERT INTO S.job_check_log (job_id, job_name, alert_code) SELECT g, ";

    public static TheoryData<string, string, string> Rules { get; } = new()
    {
        { "empty tables", "SELECT 1", "1|OK|~|All jobs run successfully" },
        { "two failures of an unconfigured job", Failed + "'A', 3 FROM generate_series(1, 2) g", "1|OK|~|All jobs run successfully" },
        { "three failures of an unconfigured job", Failed + "'A', 3 FROM generate_series(1, 3) g", "3|FAILED_RUN|A|3 consecutive CRITICAL runs" },
        { "five failures still say three", Failed + "'A', 2 FROM generate_series(1, 5) g", "2|FAILED_RUN|A|3 consecutive WARNING runs" },
        { "mixed codes count apart", Failed + "'A', 2 + g % 2 FROM generate_series(1, 4) g", "1|OK|~|All jobs run successfully" },
        {
            "a custom code", "INSERT INTO S.job_status_text VALUES (4, 'FATAL'); " + Failed + "'A', 4 FROM generate_series(1, 3) g",
            "4|FAILED_RUN|A|3 consecutive FATAL runs"
        },
        {
            "an inactive rule silences the default rule", Config + "('A', '1 d', '1 d', false, 0); " + Failed + "'A', 3 FROM generate_series(1, 9) g",
            "1|OK|~|All jobs run successfully"
        },
        {
            "sensitivity is exceeded", Config + "('A', '1 d', '1 d', true, 1); " + Failed + "'A', 3 FROM generate_series(1, 2) g; " + Run("A", "0 s", "OK"),
            "3|FAILED_RUN|A|2 CRITICAL run(s)"
        },
        {
            "sensitivity is just met", Config + "('A', '1 d', '1 d', true, 2); " + Failed + "'A', 3 FROM generate_series(1, 2) g; " + Run("A", "0 s", "OK"),
            "1|OK|~|All jobs run successfully"
        },
        {
            "several codes give several rows", Config + "('A', '1 d', '1 d', true, 0); " + Failed + "'A', 2 + g % 2 FROM generate_series(1, 3) g; " + Run("A", "0 s", "OK"),
            "3|FAILED_RUN|A|2 CRITICAL run(s)\n2|FAILED_RUN|A|1 WARNING run(s)"
        },
        { "never ran", Config + "('A', '1 h', '2 h', true, 0)", "3|MISSING|A|Has not completed a run since highest configured monitoring time period" },
        { "lower-case rule matches nothing", Config + "('a', '1 h', '2 h', true, 0); " + Run("A", "0 s", "OK"), "3|MISSING|a|Has not completed a run since highest configured monitoring time period" },
        { "warning threshold minus 1 ms", Config + "('A', '1 h', '2 h', true, 0); " + Run("A", "59 min 59.999 s", "OK"), "1|OK|~|All jobs run successfully" },
        { "warning threshold exactly", Config + "('A', '1 h', '2 h', true, 0); " + Run("A", "1 h", "OK"), "1|OK|~|All jobs run successfully" },
        { "warning threshold plus 1 ms", Config + "('A', '1 h', '2 h', true, 0); " + Run("A", "1 h 0.001 s", "OK"), "2|MISSING|A|Last completed run: END" },
        { "error threshold minus 1 ms", Config + "('A', '1 h', '2 h', true, 0); " + Run("A", "1 h 59 min 59.999 s", "OK"), "2|MISSING|A|Last completed run: END" },
        { "outside the history", Config + "('A', '1 h', '2 h', true, 0); " + Run("A", "2 h", "OK"), "3|MISSING|A|Has not completed a run since highest configured monitoring time period" },
        {
            "error threshold plus 1 ms within a longer history", Config + "('A', '1 h', '2 h', true, 0), ('B', '3 h', '3 h', true, 0); " + Run("A", "2 h 0.001 s", "OK") + Run("B", "0 s", "OK"),
            "3|MISSING|A|Last completed run: END"
        },
        {
            "error threshold exactly within a longer history", Config + "('A', '1 h', '2 h', true, 0), ('B', '3 h', '3 h', true, 0); " + Run("A", "2 h", "OK") + Run("B", "0 s", "OK"),
            "2|MISSING|A|Last completed run: END"
        },
        { "a warning threshold behind the error threshold rules alone", Config + "('A', '2 h', '1 h', true, 0); " + Run("A", "1 h 30 min", "OK"), "1|OK|~|All jobs run successfully" },
        {
            "a custom code of a configured job", "INSERT INTO S.job_status_text VALUES (4, 'FATAL'); " + Config + "('A', '1 h', '2 h', true, 0); " + Failed + "'A', 4 FROM generate_series(1, 2) g; " + Run("A", "0 s", "FATAL"),
            "4|FAILED_RUN|A|2 FATAL run(s)"
        },
        {
            "a code that the texts do not know", Config + "('A', '1 h', '2 h', true, 0); " + Failed + "'A', 9 FROM generate_series(1, 5) g; " + Run("A", "0 s", "OK"),
            "9|FAILED_RUN|A|5 level 9 run(s)"
        },
        { "a failed run resets the clock", Config + "('A', '1 h', '2 h', true, 0); " + Run("A", "30 min", "CRITICAL"), "1|OK|~|All jobs run successfully" },
        { "two runs with equal start give one row", Config + "('A', '1 h', '2 h', true, 0); " + Run("A", "90 min", "OK") + Run("A", "90 min", "OK"), "2|MISSING|A|Last completed run: END" },
        {
            "running too long", Config + "('A', '1 h', '2 h', true, 0); " + Open("A", "90 min", "alive"),
            "2|RUNNING|A|Currently running. Job has not had a completed run within configured monitoring time period."
        },
        {
            "running rewrites a failure and tells the last end", Config + "('A', '1 h', '2 h', true, 0); " + Failed + "'A', 3 FROM generate_series(1, 1) g; " + Run("A", "110 min", "OK") + Open("A", "90 min", "alive"),
            "3|RUNNING|A|Currently running. Last completed run: END\n2|RUNNING|A|Currently running. Last completed run: END"
        },
        {
            "running below the threshold leaves the failure", Config + "('A', '1 h', '2 h', true, 0); " + Failed + "'A', 3 FROM generate_series(1, 1) g; " + Open("A", "10 min", "alive"),
            "3|FAILED_RUN|A|1 CRITICAL run(s)"
        },
        {
            "running one ms below the lower threshold leaves the failure", Config + "('A', '1 h', '2 h', true, 0); " + Failed + "'A', 3 FROM generate_series(1, 1) g; " + Open("A", "59 min 59.999 s", "alive"),
            "3|FAILED_RUN|A|1 CRITICAL run(s)"
        },
        {
            "running for the lower threshold exactly", Config + "('A', '1 h', '2 h', true, 0); " + Failed + "'A', 3 FROM generate_series(1, 1) g; " + Open("A", "1 h", "alive"),
            "3|RUNNING|A|Currently running. Job has not had a completed run within configured monitoring time period."
        },
        {
            "the error threshold may be the lower one", Config + "('A', '2 h', '1 h', true, 0); " + Failed + "'A', 3 FROM generate_series(1, 1) g; " + Open("A", "1 h", "alive"),
            "3|RUNNING|A|Currently running. Job has not had a completed run within configured monitoring time period."
        },
        { "a dead backend", Open("A", "10 min", "gone"), "3|DIED|A|Backend 1 of the run started START is gone" },
        { "a reused pid", Open("A", "3 d", "reused"), "3|DIED|A|Backend PID of the run started START is gone" },
        { "a dead backend before the history", Open("A", "8 d", "gone"), "1|OK|~|All jobs run successfully" },
    };

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task Check_job_status_applies_the_rule(string rule, string setUp, string expected)
    {
        _ = rule;
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);

        await log.RowsAsync(connection, "BEGIN");
        await log.RowsAsync(connection, setUp);
        var rows = await log.RowsAsync(connection, "SELECT * FROM S.check_job_status()");
        var marks = await log.RowsAsync(connection, "SELECT max(end_time), max(start_time) FILTER (WHERE end_time IS NULL), pg_backend_pid() FROM S.job_log WHERE job_name = 'A'");
        await log.RowsAsync(connection, "ROLLBACK");

        var mark = marks[0].Split('|');
        string.Join('\n', rows).Should().Be(expected.Replace("END", mark[0], StringComparison.Ordinal)
            .Replace("START", mark[1], StringComparison.Ordinal).Replace("PID", mark[2], StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_waiting_run_is_blocked()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("CREATE TABLE work (i int); " + Config + "('A', '1 ms', '1 h', true, 0)");
        await using var holder = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await log.RowsAsync(holder, "BEGIN; LOCK TABLE work");
        await using var worker = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await log.RowsAsync(worker, "SELECT S.add_job('a')");
        var waiting = log.RowsAsync(worker, "SELECT count(*) FROM work");
        await Eventually.TrueAsync(() => log.ScalarAsync<bool>($"SELECT EXISTS (SELECT FROM pg_locks WHERE pid = {worker.ProcessID} AND NOT granted)"),
            "the worker waits", cancellationToken: TestContext.Current.CancellationToken);

        var rows = await log.RowsAsync("SELECT * FROM S.check_job_status()");
        await log.RowsAsync(holder, "ROLLBACK");

        rows.Should().Equal("2|BLOCKED|A|Another transaction has a lock that blocking this job from completing");
        await waiting;
    }

    [Fact]
    public async Task The_history_must_cover_the_longest_threshold_of_the_active_rules()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(Config + "('A', '3 h', '2 h', true, 0), ('B', '9 h', '9 h', false, 0)");

        var sql = () => log.ExecuteAsync("SELECT * FROM S.check_job_status('2 h 59 min')");
        var api = () => log.Monitor.CheckAsync(TimeSpan.FromMinutes(179), TestContext.Current.CancellationToken);
        var text = () => log.Monitor.CheckAsync("soon", TestContext.Current.CancellationToken);

        (await sql.Should().ThrowAsync<PostgresException>()).Which.MessageText.Should()
            .Be("Input argument must be greater than or equal to the longest threshold in job_check_config table");
        await api.Should().ThrowAsync<ArgumentException>();
        await text.Should().ThrowAsync<FormatException>().WithMessage("*'soon'*");
        (await log.Monitor.CheckAsync("3 h", TestContext.Current.CancellationToken)).Worst.Should().Be(AlertLevel.Critical);
    }

    [Fact]
    public async Task CheckAsync_equals_check_job_status_row_for_row_also_read_only_and_without_temp()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(
            Config + "('A', '1 h', '2 h', true, 0), ('B', '1 d', '2 d', true, 3), ('C', '1 d', '1 d', false, 0), ('D', '1 h', '5 d', true, 0);"
            + Failed + "n, 2 + g % 2 FROM generate_series(1, 12) g, unnest(ARRAY['A', 'B', 'C', 'X', 'Y']) n;"
            + Run("A", "90 min", "OK") + Run("D", "3 h", "CRITICAL") + Open("Z", "10 min", "gone") + Open("Z", "20 min", "gone"));
        await log.ExecuteAsync($"REVOKE TEMP ON DATABASE \"{log.Name}\" FROM PUBLIC; CREATE ROLE \"reader_{log.Name}\" LOGIN; "
            + log.Admin.GrantScript($"reader_{log.Name}", JobmonAccess.Read));
        var readOnly = new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = $"reader_{log.Name}", Options = "-c default_transaction_read_only=on" };
        await using var source = NpgsqlDataSource.Create(readOnly.ConnectionString);
        var monitor = new JobMonitor(JobLogDatabase.AccessAs(source), TimeSpan.FromSeconds(60), TimeProvider.System);

        var report = await monitor.CheckAsync(cancellationToken: TestContext.Current.CancellationToken);
        var rows = await log.RowsAsync("SELECT * FROM S.check_job_status()");

        rows.Should().HaveCountGreaterThan(7);
        report.Alerts.Select(a => $"{a.Level.Code}|{a.AlertStatusText}|{a.JobName}|{a.AlertText}").Should().Equal(rows);
        report.Worst.Should().Be(AlertLevel.Critical);
    }

    [Fact]
    public async Task A_role_that_sees_no_backend_details_reports_running_unverified()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var worker = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await log.ExecuteAsync(Config + "('A', '1 ms', '1 h', true, 0); CREATE ROLE \"blind_{log.Name}\" LOGIN;".Replace("{log.Name}", log.Name, StringComparison.Ordinal)
            + log.Admin.GrantScript($"blind_{log.Name}", JobmonAccess.Read));
        await log.RowsAsync(worker, "SELECT S.add_job('a')");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = $"blind_{log.Name}" }.ConnectionString);
        var monitor = new JobMonitor(JobLogDatabase.AccessAs(source), TimeSpan.FromSeconds(60), TimeProvider.System);

        var report = await monitor.CheckAsync(cancellationToken: TestContext.Current.CancellationToken);

        report.Alerts.Should().ContainSingle().Which.Should().BeEquivalentTo(new { AlertStatusText = "RUNNING (unverified)", Status = JobAlertStatus.Running });
    }

    private static string Run(string name, string age, string status) =>
        $"INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid) VALUES ('me', '{name}', now() - interval '{age}', now() - interval '{age}' + interval '5 s', '{status}', 1);";

    // No backend of a test is older than minutes, so a living run of some age belongs to a process with a fresh heartbeat.
    private static string Open(string name, string age, string who) =>
        $"INSERT INTO S.job_log (owner, job_name, start_time, pid) VALUES ('me', '{name}', now() - interval '{age}', {(who == "reused" ? "pg_backend_pid()" : "1")});"
        + (who != "alive" ? "" : "INSERT INTO omnipg_jobmon.session (session_id, heartbeat_at) SELECT gen_random_uuid(), now();"
            + "INSERT INTO omnipg_jobmon.run (job_id, session_id) SELECT max(job_id), (SELECT session_id FROM omnipg_jobmon.session) FROM S.job_log;");
}
