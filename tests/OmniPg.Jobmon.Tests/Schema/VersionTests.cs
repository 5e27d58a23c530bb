using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Schema;

/// <summary>A log or side schema of another version: an older one is upgraded by the installation, a newer one is never written to.</summary>
public sealed class VersionTests(PgClusterFixture server)
{
    /// <summary>What an older version may lack: a table, a column's index, the body of a function; and a row that must stay.</summary>
    private const string Older =
        """
        INSERT INTO omnipg_jobmon.check_rule (job_name, cron) VALUES ('KEPT', '* * * * *');
        DROP TABLE omnipg_jobmon.acknowledgement;
        DROP INDEX omnipg_jobmon.run_tags_idx;
        CREATE OR REPLACE FUNCTION omnipg_jobmon.session_is_live(p_session_id uuid, p_dead_after interval DEFAULT '60 seconds') RETURNS boolean LANGUAGE sql AS 'SELECT false';
        UPDATE omnipg_jobmon.schema_version SET version = 0;
        """;

    private const string State = "SELECT version, to_regclass('omnipg_jobmon.acknowledgement'), to_regclass('omnipg_jobmon.run_tags_idx'), "
        + "(SELECT prosrc ~ 'heartbeat_at' FROM pg_proc WHERE proname = 'session_is_live'), (SELECT string_agg(job_name, ',') FROM omnipg_jobmon.check_rule) FROM omnipg_jobmon.schema_version";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Older_side_schema_is_brought_to_this_version_and_keeps_its_rows(bool byScript)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(Older);

        var result = byScript ? null : await log.Admin.InstallAsync(null, Stop);
        if (byScript)
            await log.ExecuteAsync(log.Admin.InstallPlan().ToSqlScript());

        (await log.RowsAsync(State)).Should().Equal("2|omnipg_jobmon.acknowledgement|omnipg_jobmon.run_tags_idx|t|KEPT");
        if (result is not null)
            (result.Upgraded, result.AlreadyInstalled).Should().Be((true, true));
        (await log.Admin.InstallAsync(null, Stop)).Upgraded.Should().BeFalse();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Log_of_version_1_takes_its_functions_from_everybody_and_leaves_them_to_those_with_rights_on_the_tables(bool byScript)
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await database.ExecuteAsync(await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "Schema", "version-1.sql"), Stop), Stop);
        string reader = $"reader_{database.Name}", writer = $"writer \"of\" {database.Name}", nobody = $"nobody_{database.Name}";
        await database.ExecuteAsync(
            $"""
            CREATE ROLE {reader}; GRANT SELECT ON jobmon.job_log, omnipg_jobmon.run TO {reader};
            CREATE ROLE {PgIdentifier.Create(writer).Quoted}; GRANT SELECT, INSERT, UPDATE ON jobmon.job_log, omnipg_jobmon.run TO {PgIdentifier.Create(writer).Quoted};
            CREATE ROLE {nobody}; SELECT jobmon.fail_job(jobmon.add_job('kept'));
            """, Stop);
        await using var jobmon = new JobmonClient(database.DataSource);

        if (byScript)
            await database.ExecuteAsync(jobmon.Admin.InstallPlan().ToSqlScript(), Stop);
        var result = await jobmon.Admin.InstallAsync(cancellationToken: Stop);

        result.Upgraded.Should().Be(!byScript);
        (await database.ScalarAsync<string>("SELECT jobmon.omnipg_jobmon_version() || '|' || (SELECT version FROM omnipg_jobmon.schema_version) || '|' || (SELECT string_agg(job_name || ' ' || status, ',') FROM jobmon.job_log)", Stop))
            .Should().Be("2|2|KEPT CRITICAL");
        (await database.ScalarAsync<string>("SELECT coalesce(string_agg(p.oid::regprocedure::text, ', '), '') FROM pg_proc p WHERE pronamespace IN ('jobmon'::regnamespace, 'omnipg_jobmon'::regnamespace) AND has_function_privilege('public', p.oid, 'EXECUTE')", Stop))
            .Should().BeEmpty();
        async Task<string> MayAsync(string role) => await database.ScalarAsync<string>(
            $"""
            SELECT concat_ws(' ', CASE WHEN has_function_privilege(r, 'jobmon.show_job(text, integer)', 'EXECUTE') THEN 'read' END,
                CASE WHEN has_function_privilege(r, 'jobmon.add_job(text)', 'EXECUTE') AND has_function_privilege(r, 'omnipg_jobmon.request_cancel(bigint, text)', 'EXECUTE') THEN 'write' END,
                CASE WHEN has_function_privilege(r, 'jobmon.job_log_clear(interval)', 'EXECUTE') THEN 'manage' END) FROM (SELECT '{role}'::name) AS x (r)
            """, Stop);
        (await MayAsync(nobody), await MayAsync(reader), await MayAsync(writer)).Should().Be(("", "read", "read write"));
        (await database.ScalarAsync<bool>("SELECT to_regprocedure('jobmon._dblink_add_job(text,text,integer)') IS NULL", Stop)).Should().BeTrue("it took an owner's name from anybody");
    }

    [Fact]
    public async Task Upgrade_that_fails_halfway_changes_nothing()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(Older + "CREATE VIEW omnipg_jobmon.acknowledgement AS SELECT 1 AS job_name");

        var act = () => log.Admin.InstallAsync(null, Stop);

        (await act.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.WrongObjectType);
        (await log.RowsAsync(State)).Should().Equal("0|omnipg_jobmon.acknowledgement|~|f|KEPT");
    }

    [Fact]
    public async Task Older_log_of_own_mode_is_refused_until_the_installation_upgrades_it()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("SELECT S.add_job('kept'); DROP FUNCTION S.show_running(integer); COMMENT ON FUNCTION S.omnipg_jobmon_version() IS '0'");
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        var refused = jobmon.Invoking(j => j.Start("x")).Should().Throw<JobmonUnsupportedVersionException>().Which;
        var result = await jobmon.Admin.InstallAsync(cancellationToken: Stop);
        jobmon.Start("x").Complete();

        (refused.Found, refused.Supported).Should().Be(("0", "2"));
        refused.Message.Should().Be("Version '0' of the job log in schema 'jobmon' is not supported; supported is '2'. Hint: Admin.InstallAsync() upgrades it.");
        (result.Upgraded, result.AlreadyInstalled).Should().Be((true, true));
        (await log.RowsAsync("SELECT job_name FROM S.show_running(NULL) UNION ALL SELECT job_name FROM S.show_job('x')")).Should().Contain("X");
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE job_name = 'KEPT'")).Should().Be(1);
    }

    [Theory]
    [InlineData("UPDATE omnipg_jobmon.schema_version SET version = 3", "the side schema 'omnipg_jobmon'", "3")]
    [InlineData("COMMENT ON FUNCTION S.omnipg_jobmon_version() IS '3'", "the job log in schema 'jobmon'", "3")]
    [InlineData("COMMENT ON FUNCTION S.omnipg_jobmon_version() IS NULL", "the job log in schema 'jobmon'", "unknown")]
    public async Task Newer_version_is_never_written_to_by_an_installation(string change, string what, string version)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(change + "; CREATE OR REPLACE FUNCTION omnipg_jobmon.session_is_live(p_session_id uuid, p_dead_after interval DEFAULT '60 seconds') "
            + "RETURNS boolean LANGUAGE sql AS 'SELECT true'; DROP FUNCTION S.show_running(integer)");

        var install = () => log.Admin.InstallAsync(null, Stop);
        var script = () => log.ExecuteAsync(log.Admin.InstallPlan().ToSqlScript());

        var refused = (await install.Should().ThrowAsync<JobmonUnsupportedVersionException>()).Which;
        (refused.Found, refused.Supported).Should().Be((version, "2"));
        refused.Message.Should().Be($"Version '{version}' of {what} is not supported; supported is '2'. Hint: Use the package version that installed it, or a later one; nothing was changed.");
        (await script.Should().ThrowAsync<PostgresException>()).Which.MessageText.Should().Be(
            $"{what.Replace("'", "", StringComparison.Ordinal)} has version {version}, newer than 2 of this script");
        (await log.ScalarAsync<bool>("SELECT to_regprocedure('S.show_running(integer)') IS NULL AND (SELECT prosrc = 'SELECT true' FROM pg_proc WHERE proname = 'session_is_live')"))
            .Should().BeTrue();
    }

    [Fact]
    public async Task Migration_from_the_extension_does_not_take_over_a_newer_side_schema()
    {
        await using var original = await Interop.OriginalExtension.CreateAsync(server.Cluster);
        await using var jobmon = new JobmonClient(original.DataSource);
        await jobmon.Admin.InstallAsync(cancellationToken: Stop);
        await original.ExecuteAsync("UPDATE omnipg_jobmon.schema_version SET version = 3", Stop);

        var act = () => jobmon.Admin.MigrateFromExtensionAsync("own", Stop);

        (await act.Should().ThrowAsync<JobmonUnsupportedVersionException>()).Which.Message.Should().StartWith("Version '3' of the side schema 'omnipg_jobmon' is not supported; supported is '2'.");
        (await original.ScalarAsync<string>("SELECT version || log_schema || (to_regnamespace('own') IS NULL) FROM omnipg_jobmon.schema_version", Stop)).Should().Be("3jobmontrue");
    }

    [Theory]
    [InlineData("UPDATE omnipg_jobmon.schema_version SET version = 0", "has version 0, older than 2 of this package", "Admin.InstallAsync() upgrades it.")]
    [InlineData("UPDATE omnipg_jobmon.schema_version SET version = 3", "has version 3, newer than 2 of this package", "Use the package version that installed it, or a later one.")]
    [InlineData("UPDATE omnipg_jobmon.schema_version SET log_schema = 'other'", "belongs to the log in schema 'other'", "Name another JobmonOptions.SideSchema for this log.")]
    [InlineData("DROP SCHEMA omnipg_jobmon CASCADE", "is missing", "Admin.InstallAsync() adds it.")]
    public async Task Jobs_are_logged_without_a_side_schema_that_does_not_fit_and_the_warning_says_why(string change, string reason, string nextStep)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(change);
        var lines = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }, lines);

        using (var job = jobmon.Job("plain").Tag("t").Start())
        {
            job.Step("work").Complete();
            job.Complete();
        }

        (await log.RowsAsync("SELECT job_name, status FROM S.job_log")).Should().Equal("PLAIN|OK");
        lines.Lines.Where(l => l.Id.Id == 3204).Select(l => l.Message).Should().Equal(
            $"The side schema omnipg_jobmon {reason}: dead jobs, progress values, nesting and cancellation are not recorded. {nextStep}");
        if (reason != "is missing")
            (await log.ScalarAsync<long>("SELECT (SELECT count(*) FROM omnipg_jobmon.run) + (SELECT count(*) FROM omnipg_jobmon.step) + (SELECT count(*) FROM omnipg_jobmon.session)")).Should().Be(0);
    }

    [Fact]
    public async Task What_needs_the_side_schema_names_both_versions()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("UPDATE omnipg_jobmon.schema_version SET version = 0");

        var mute = () => log.Admin.MuteAsync("x", DateTimeOffset.UtcNow.AddHours(1), "dba", null, Stop);

        (await mute.Should().ThrowAsync<JobmonUnsupportedVersionException>()).WithMessage(
            "Version '0' of the side schema 'omnipg_jobmon' is not supported; supported is '2'. Hint: Admin.InstallAsync() upgrades it.");
    }

    [Fact]
    public async Task Role_that_may_not_read_the_side_schema_is_told_so()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync($"CREATE ROLE \"half_{log.Name}\" LOGIN; {log.Admin.GrantScript($"half_{log.Name}", JobmonAccess.Write)} REVOKE ALL ON SCHEMA omnipg_jobmon FROM \"half_{log.Name}\"");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = $"half_{log.Name}" }.ConnectionString);
        var lines = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }, lines);

        jobmon.Start("x").Complete();

        lines.Lines.Should().ContainSingle(l => l.Id.Id == 3204).Which.Message.Should().StartWith("The side schema omnipg_jobmon is not readable for this role: ")
            .And.EndWith(" The text of Admin.GrantScriptAsync() gives the rights.");
    }
}
