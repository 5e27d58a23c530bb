using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Pooling;

/// <summary>What a role or database may have set does not break the log, directly or through a pooler.</summary>
public sealed class RoleSettingTests(PgClusterFixture server)
{
    private static readonly string[] Limits =
    [
        "default_transaction_read_only = on", "default_transaction_isolation = 'serializable'", "default_transaction_deferrable = on", "statement_timeout = '500ms'",
        "lock_timeout = '20ms'", "idle_in_transaction_session_timeout = '200ms'", "search_path = ''", "row_security = on", "synchronous_commit = off",
    ];

    private static readonly string[] Texts =
    [
        "standard_conforming_strings = off", "quote_all_identifiers = on", "bytea_output = 'escape'", "client_encoding = 'LATIN1'", "lc_monetary = 'C'",
        "xmlbinary = hex", "\"TimeZone\" = 'Asia/Kathmandu'", "extra_float_digits = 0",
    ];

    private static readonly string[] Hostile = [.. Limits, .. Texts, "\"DateStyle\" = 'SQL, DMY'", "\"IntervalStyle\" = 'iso_8601'"];

    private static readonly string[] OtherStyles = [.. Limits, .. Texts, "\"DateStyle\" = 'German, DMY'", "\"IntervalStyle\" = 'sql_standard'"];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task Writer_administration_monitor_and_history_work_whatever_the_role_has_set(bool throughPooler, bool otherStyles)
    {
        var role = "hostile_" + Path.GetRandomFileName()[..6];
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync($"CREATE ROLE {role} LOGIN");
        foreach (var setting in (otherStyles ? OtherStyles : Hostile).Where(s => server.Cluster.MajorVersion < 19 || s != "standard_conforming_strings = off"))
            await log.ExecuteAsync($"ALTER ROLE {role} IN DATABASE \"{log.Name}\" SET {setting}");
        foreach (var grant in (await log.Admin.GrantScriptAsync(role, JobmonAccess.Manage, Stop)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            await log.ExecuteAsync(grant);
        // Slow enough that the limit of the role would end a check, and a rule that is saved.
        await log.ExecuteAsync(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.6); RETURN NEW; END';"
            + "CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON S.job_check_config FOR EACH ROW EXECUTE FUNCTION slow();"
            + "CREATE TRIGGER slow BEFORE INSERT ON S.job_log FOR EACH ROW EXECUTE FUNCTION slow()");
        var direct = new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = role }.ConnectionString;
        Assert.SkipWhen(throughPooler && PgBouncer.Program is null, "PgBouncer is not installed; OMNIPG_PGBOUNCER can name it.");
        await using var pooler = throughPooler ? await PgBouncer.StartAsync(server.Cluster, cancellationToken: Stop) : null;
        await using var source = NpgsqlDataSource.Create(pooler is null ? direct : pooler.Through(direct) + ";No Reset On Close=true");
        await using (var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }))
        {
            await using (var job = await jobmon.StartAsync("load", new JobOptions { Arguments = new Dictionary<string, string> { ["path"] = "C:\\tmp" } }, Stop))
            {
                await using var step = await job.StepAsync("read", Stop);
                await step.CompleteAsync("one\\two 'é'", cancellationToken: Stop);
                await job.CompleteAsync(cancellationToken: Stop);
            }

            var rule = jobmon.Admin.Rule("load").Warn("1 day 02:00").Error("2 days").Sensitivity(0).StallAfter(TimeSpan.FromMinutes(90));
            await rule.ActivateAsync(Stop);
            await jobmon.Admin.SetStatusTextAsync(new AlertLevel(4), "FATAL", Stop);
            await jobmon.Admin.MuteAsync("other", DateTimeOffset.UtcNow.AddHours(1), "me", "why", Stop);
            await jobmon.Admin.AcknowledgeAsync("load", "me", "why", Stop);
            await jobmon.Admin.ReapAsync(Stop);
            (await jobmon.Monitor.CheckAsync(cancellationToken: Stop)).Worst.Should().Be(AlertLevel.Ok);
            (await jobmon.Monitor.LintAsync(Stop)).Should().BeEmpty();
            await foreach (var run in jobmon.History.ListAsync(new JobQuery(), Stop))
                run.Status.Should().Be("OK");
            await foreach (var step in jobmon.History.StepsAsync("load", cancellationToken: Stop))
                step.Message.Should().Be("one\\two 'é'");
            (await jobmon.Admin.ListRulesAsync(Stop)).Select(r => r.JobName).Should().Equal("LOAD", "OTHER");
            (await jobmon.RunSqlAsync("own settings", "SHOW search_path", new SqlJobOptions { Job = new JobOptions() }, Stop)).Error.Should().BeNull("the SQL of the user keeps what its role has set");
            (await jobmon.History.StatisticsAsync("load", TimeSpan.FromDays(1), Stop)).Runs.Should().Be(1);
            (await jobmon.Admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.Zero, LogAsJob = false }, cancellationToken: Stop)).DeletedJobs.Should().Be(1, "an active rule looks at the other");
            await rule.DeactivateAsync(Stop);
            (await jobmon.Admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.Zero }, cancellationToken: Stop)).DeletedJobs.Should().Be(1);
        }

        (await log.RowsAsync("SELECT job_name, warn_threshold = '1 day 2 hours', error_threshold = '2 days' FROM S.job_check_config")).Should().Equal("LOAD|t|t");
        (await log.RowsAsync("SELECT stall_after = '90 minutes' FROM omnipg_jobmon.check_rule WHERE job_name = 'LOAD'")).Should().Equal("t");
        await log.ExecuteAsync($"DROP OWNED BY {role}; DROP ROLE {role}");
    }
}
