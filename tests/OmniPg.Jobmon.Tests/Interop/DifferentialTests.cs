using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Interop;

/// <summary>The same script on the original extension and on own mode: all tables and the check agree except in ids, times, pids and section 4.4.</summary>
public sealed class DifferentialTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static readonly string[] Script =
    [
        "INSERT INTO S.job_check_config VALUES ('ESCALATING', '1 d', '2 d', true, 0, 2), ('SENSITIVE', '1 d', '2 d', true, 1, NULL), ('NEVER', '1 h', '2 h', true, 0, NULL), ('SILENT', '1 d', '1 d', false, 0, NULL)",
        "INSERT INTO S.job_status_text VALUES (4, 'FATAL')",
        "SELECT S.update_step(S.add_step(j, 'a''b \\ \"c\"'), 'OK', E'two\\nlines') FROM S.add_job('First \"job\" it''s') j",
        "SELECT S.close_job(1)",
        "SELECT S.fail_job(S.add_job('escalating'), 2)", "SELECT S.fail_job(S.add_job('escalating'), 2)", "SELECT S.fail_job(S.add_job('escalating'), 2)",
        "SELECT S.fail_job(S.add_job('sensitive'))", "SELECT S.fail_job(S.add_job('sensitive'))", "SELECT S.fail_job(S.add_job('silent'))",
        "SELECT S.fail_job(S.add_job('default'))", "SELECT S.fail_job(S.add_job('default'))", "SELECT S.fail_job(S.add_job('default'))", "SELECT S.fail_job(S.add_job('default'), 4)",
        "SELECT S.close_job(S.add_job('cleared'))", "SELECT S.fail_job(j), S.close_job(j) FROM S.add_job('recovered') j",
        "SELECT S.sql_job('sql good', 'SELECT g FROM generate_series(1, 3) g')", "SELECT S.sql_job('sql bad', 'SELECT 1/0')",
        "SELECT S.sql_step(j, 'fails', 'nonsense'), S.close_job(j) FROM S.add_job('steps') j",
        "SELECT S.sql_step(S.add_job('succeeds'), 'one', 'SELECT 1')",
    ];

    private static readonly string[] Views =
    [
        "SELECT job_id, owner, job_name, status, end_time IS NULL, pid > 0 FROM S.job_log WHERE job_name <> 'SUCCEEDS' ORDER BY job_id",
        "SELECT job_id, step_id, action, status, message, end_time IS NULL, elapsed_time >= 0 FROM S.job_detail ORDER BY step_id",
        "SELECT job_id, job_name, alert_code FROM S.job_check_log ORDER BY 1, 3",
        "SELECT * FROM S.job_check_config ORDER BY 1", "SELECT * FROM S.job_status_text ORDER BY 1",
        "SELECT * FROM S.check_job_status() WHERE alert_status <> 'DIED'",
        "SELECT job_id FROM S.show_job('default', 2)", "SELECT job_id FROM S.show_job_like('^SQL')", "SELECT job_id FROM S.show_job_status('FATAL')",
        "SELECT job_id FROM S.show_job_status('sensitive', 'CRITICAL')", "SELECT step_id FROM S.show_detail('sql bad')",
    ];

    [Fact]
    public async Task Own_mode_and_the_extension_leave_the_same_rows()
    {
        await using var original = await OriginalExtension.CreateAsync(server.Cluster);
        await using var own = await JobLogDatabase.CreateAsync(server.Cluster);

        foreach (var statement in Script)
        {
            await original.ExecuteAsync(statement.Replace("S.", "jobmon.", StringComparison.Ordinal), Stop);
            await own.ExecuteAsync(statement);
        }

        await using var there = await original.DataSource.OpenConnectionAsync(Stop);
        foreach (var view in Views)
            (await own.RowsAsync(view)).Should().Equal(await own.RowsAsync(there, view), view);
        // 4.4 point 1: the original's sql_step closes the whole job.
        (await own.RowsAsync(there, "SELECT status FROM S.show_job('succeeds')")).Should().Equal("OK");
        (await own.RowsAsync("SELECT status FROM S.show_job('succeeds')")).Should().Equal("~");
    }

    [Fact]
    public async Task Beside_the_extension_checks_history_and_administration_work_and_its_objects_stay()
    {
        await using var original = await OriginalExtension.CreateAsync(server.Cluster);
        var access = JobLogDatabase.AccessAs(original.DataSource);
        var admin = new JobmonAdmin(access, TimeSpan.FromSeconds(60));
        var monitor = new JobMonitor(access, TimeSpan.FromSeconds(60), TimeProvider.System);
        const string Objects = "SELECT string_agg(p.oid || p.proname || p.prosrc, ',' ORDER BY p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname = 'jobmon'";
        var before = await original.ScalarAsync<string>(Objects, Stop);

        (await monitor.CheckAsync(cancellationToken: Stop)).Worst.Should().Be(AlertLevel.Ok);
        var installed = await admin.InstallAsync(null, Stop);
        var rule = admin.Rule("load").Warn("1 d").Error("2 d");
        await rule.ActivateAsync(Stop);
        await original.ExecuteAsync("SELECT jobmon.fail_job(jobmon.add_job('load'))", Stop);
        var report = await monitor.CheckAsync(cancellationToken: Stop);
        await rule.DeactivateAsync(Stop);                     // what an active rule looks at would stay
        var purged = await admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.Zero }, null, Stop);

        installed.Mode.Should().Be(JobmonMode.Extension);
        report.Alerts.Select(a => $"{a.Level.Code}|{a.AlertStatusText}|{a.JobName}|{a.AlertText}").Should().Equal("3|FAILED_RUN|LOAD|1 CRITICAL run(s)");
        purged.DeletedJobs.Should().Be(1);
        (await original.ScalarAsync<string>(Objects, Stop)).Should().Be(before);
    }

    [Fact]
    public async Task Migration_copies_everything_and_the_ids_go_on()
    {
        await using var original = await OriginalExtension.CreateAsync(server.Cluster);
        foreach (var statement in Script)
            await original.ExecuteAsync(statement.Replace("S.", "jobmon.", StringComparison.Ordinal), Stop);
        var admin = new JobmonAdmin(JobLogDatabase.AccessAs(original.DataSource), TimeSpan.FromSeconds(60));
        var same = () => admin.MigrateFromExtensionAsync("jobmon", Stop);

        await admin.MigrateFromExtensionAsync("own", Stop);

        await same.Should().ThrowAsync<JobmonConflictException>();
        foreach (var table in new[] { "job_log", "job_detail", "job_check_log", "job_check_config", "job_status_text", "dblink_mapping_jobmon" })
        {
            (await original.ScalarAsync<long>($"SELECT count(*) FROM (SELECT * FROM jobmon.{table} EXCEPT ALL SELECT * FROM own.{table}) d", Stop)).Should().Be(0, table);
            (await original.ScalarAsync<long>($"SELECT count(*) FROM (SELECT * FROM own.{table} EXCEPT ALL SELECT * FROM jobmon.{table}) d", Stop)).Should().Be(0, table);
        }
        var last = await original.ScalarAsync<long>("SELECT max(job_id) FROM jobmon.job_log", Stop);
        (await original.ScalarAsync<long>("SELECT own.add_job('next')", Stop)).Should().Be(last + 1);
    }

    [Fact]
    public async Task An_extension_older_than_1_3_0_is_refused()
    {
        await using var original = await OriginalExtension.CreateAsync(server.Cluster);
        await original.ExecuteAsync("UPDATE pg_extension SET extversion = '1.2.0' WHERE extname = 'pg_jobmon'", Stop);

        var act = () => new JobMonitor(JobLogDatabase.AccessAs(original.DataSource), TimeSpan.FromSeconds(60), TimeProvider.System).CheckAsync(cancellationToken: Stop);

        await act.Should().ThrowAsync<JobmonUnsupportedVersionException>().WithMessage("*'1.2.0'*");
    }
}
