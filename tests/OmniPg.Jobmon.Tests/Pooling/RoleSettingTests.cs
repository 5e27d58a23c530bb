using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Pooling;

/// <summary>What a role or database may have set does not break the log, directly or through a pooler.</summary>
public sealed class RoleSettingTests(PgClusterFixture server)
{
    private static readonly string[] Hostile =
    [
        "default_transaction_read_only = on", "default_transaction_isolation = 'serializable'", "statement_timeout = '50ms'", "lock_timeout = '20ms'",
        "idle_in_transaction_session_timeout = '20ms'", "search_path = ''", "\"DateStyle\" = 'German, DMY'", "\"IntervalStyle\" = 'sql_standard'",
        "standard_conforming_strings = off", "bytea_output = 'escape'", "client_encoding = 'LATIN1'", "lc_monetary = 'C'", "\"TimeZone\" = 'Asia/Kathmandu'",
        "synchronous_commit = off", "extra_float_digits = 0", "row_security = on", "default_transaction_deferrable = on",
    ];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Writer_administration_monitor_and_history_work_whatever_the_role_has_set(bool throughPooler)
    {
        var role = "hostile_" + Path.GetRandomFileName()[..6];
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync($"CREATE ROLE {role} LOGIN");
        foreach (var setting in Hostile)
            await log.ExecuteAsync($"ALTER ROLE {role} IN DATABASE \"{log.Name}\" SET {setting}");
        foreach (var grant in (await log.Admin.GrantScriptAsync(role, JobmonAccess.Manage, Stop)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            await log.ExecuteAsync(grant);
        // Slow enough that a limit of 50 ms ends a check, and a rule that is saved.
        await log.ExecuteAsync(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END';"
            + "CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON S.job_check_config FOR EACH ROW EXECUTE FUNCTION slow();"
            + "CREATE TRIGGER slow BEFORE INSERT ON S.job_log FOR EACH ROW EXECUTE FUNCTION slow()");
        var direct = new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = role }.ConnectionString;
        Assert.SkipWhen(throughPooler && PgBouncer.Program is null, "PgBouncer is not installed; OMNIPG_PGBOUNCER can name it.");
        await using var pooler = throughPooler ? await PgBouncer.StartAsync(server.Cluster, cancellationToken: Stop) : null;
        await using var source = NpgsqlDataSource.Create(pooler?.Through(direct) ?? direct);
        await using (var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }))
        {
            await using (var job = await jobmon.StartAsync("load", new JobOptions { Arguments = new Dictionary<string, string> { ["path"] = "C:\\tmp" } }, Stop))
            {
                await using var step = await job.StepAsync("read", Stop);
                await step.CompleteAsync("one\\two", cancellationToken: Stop);
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
            (await jobmon.History.StatisticsAsync("load", TimeSpan.FromDays(1), Stop)).Runs.Should().Be(1);
            (await jobmon.Admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.Zero, LogAsJob = false }, cancellationToken: Stop)).DeletedJobs.Should().Be(0, "an active rule looks at it");
            await rule.DeactivateAsync(Stop);
            (await jobmon.Admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.Zero }, cancellationToken: Stop)).DeletedJobs.Should().Be(1);
        }

        (await log.RowsAsync("SELECT job_name, warn_threshold = '1 day 2 hours', error_threshold = '2 days' FROM S.job_check_config")).Should().Equal("LOAD|t|t");
        (await log.RowsAsync("SELECT stall_after = '90 minutes' FROM omnipg_jobmon.check_rule WHERE job_name = 'LOAD'")).Should().Equal("t");
        await log.ExecuteAsync($"DROP OWNED BY {role}; DROP ROLE {role}");
    }
}
