using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Schema;

public sealed class InstallTests(PgClusterFixture server)
{
    [Fact]
    public async Task Install_makes_a_log_that_detection_finds()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);

        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        var found = await log.Access.GetTargetAsync(log.Access.On(connection, TestContext.Current.CancellationToken));

        found.Mode.Should().Be(JobmonMode.Own);
        found.Schema.Value.Should().Be("jobmon");
        found.LogVersion.Should().Be("2");
        found.SideVersion.Should().Be(2);
        (await log.RowsAsync("SELECT alert_code, alert_text FROM S.job_status_text ORDER BY 1")).Should().Equal("1|OK", "2|WARNING", "3|CRITICAL");
    }

    [Fact]
    public async Task Jobs_logged_through_dblink_survive_a_rollback()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);

        await log.ExecuteAsync("DO $$ BEGIN PERFORM S.close_job(S.add_job('x')); RAISE EXCEPTION 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$");

        (await log.RowsAsync("SELECT job_name, status FROM S.show_job('x')")).Should().Equal("X|OK");
        (await log.RowsAsync("SELECT * FROM S.check_job_status()")).Should().Equal("1|OK|~|All jobs run successfully");
    }

    [Fact]
    public async Task Installing_again_changes_nothing_and_keeps_edited_texts_and_data()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("SELECT S.add_job('x'); UPDATE S.job_status_text SET alert_text = 'good' WHERE alert_code = 1; DELETE FROM S.job_status_text WHERE alert_code = 2");

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => log.Admin.InstallAsync(null, TestContext.Current.CancellationToken)));

        (await log.RowsAsync("SELECT alert_text FROM S.job_status_text ORDER BY 1")).Should().Equal("CRITICAL", "good");
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log")).Should().Be(1);
    }

    [Fact]
    public async Task Two_first_installations_at_once_both_succeed()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);

        var results = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => new JobmonInstaller(JobLogDatabase.AccessAs(database.DataSource))
            .InstallAsync(new InstallOptions(), TestContext.Current.CancellationToken)));

        results.Count(r => !r.AlreadyInstalled).Should().Be(1);
    }

    [Theory]
    [InlineData("CREATE TABLE jobmon.job_log (i int)", "*foreign objects of the same names: job_log*")]
    [InlineData("CREATE FUNCTION jobmon.add_job(text) RETURNS int LANGUAGE sql AS 'SELECT 1'", "*foreign objects of the same names: add_job()*")]
    [InlineData("CREATE SCHEMA omnipg_jobmon; CREATE TABLE omnipg_jobmon.run (i int)", "*side schema*foreign objects*")]
    public async Task Foreign_objects_of_the_same_names_are_a_conflict_and_stay(string foreign, string message)
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE SCHEMA jobmon; " + foreign, TestContext.Current.CancellationToken);

        var act = () => new JobmonInstaller(JobLogDatabase.AccessAs(database.DataSource)).InstallAsync(new InstallOptions(), TestContext.Current.CancellationToken);

        await act.Should().ThrowAsync<JobmonConflictException>().WithMessage(message);
        (await database.ScalarAsync<bool>("SELECT to_regclass('jobmon.job_detail') IS NULL", TestContext.Current.CancellationToken)).Should().BeTrue();
    }

    [Fact]
    public async Task A_second_log_may_not_share_the_side_schema()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);

        var act = () => log.Admin.InstallAsync(new InstallOptions { Schema = "other" }, TestContext.Current.CancellationToken);

        await act.Should().ThrowAsync<JobmonConflictException>().WithMessage("*belongs to the log in schema jobmon*");
    }

    [Theory]
    [InlineData("Job \"Mon\" ü")]
    [InlineData("a@side@b@schema@'$$\\")]
    [InlineData("sixty-three bytes: ....................................63 bytes")]
    public async Task Hostile_schema_and_job_names_are_only_names(string schema)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, true, schema, $"My \"db\" it's {schema.Length}");
        const string job = "Robert'); DROP TABLE job_log;-- % \\ \n 🐘";

        await using (var command = log.DataSource.CreateCommand($"SELECT {log.Schema}.fail_job(j), {log.Schema}.add_step(j, $1) FROM {log.Schema}.add_job($1) j"))
        {
            command.Parameters.AddWithValue(job);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
        await log.Admin.Rule(job).Warn("1 h").Error("2 h").ActivateAsync(TestContext.Current.CancellationToken);
        var report = await log.Monitor.CheckAsync(cancellationToken: TestContext.Current.CancellationToken);
        var found = await log.History.ListAsync(new JobQuery { Name = job }, TestContext.Current.CancellationToken).ToListAsync(TestContext.Current.CancellationToken);

        found.Should().ContainSingle().Which.JobName.Should().Be("ROBERT'); DROP TABLE JOB_LOG;-- % \\ \n 🐘");
        report.Alerts.Should().ContainSingle().Which.AlertText.Should().Be("1 CRITICAL run(s)");
        (await log.RowsAsync("SELECT alert_text FROM S.check_job_status()")).Should().Equal("1 CRITICAL run(s)");
        (await log.ScalarAsync<bool>("SELECT S._dblink_probe()")).Should().BeTrue();
    }

    [Fact]
    public async Task The_settings_of_the_database_do_not_change_what_is_installed()
    {
        Assert.SkipWhen(server.Cluster.MajorVersion >= 19, "PostgreSQL 19 knows one kind of strings only.");
        await using var database = await server.Cluster.CreateDatabaseAsync($"old 'strings' {Guid.NewGuid():N}", cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync($"CREATE EXTENSION dblink; ALTER DATABASE {PgIdentifier.Create(database.Name).Quoted} SET standard_conforming_strings = off", TestContext.Current.CancellationToken);
        await using var source = NpgsqlDataSource.Create(database.ConnectionString);
        var admin = new JobmonAdmin(JobLogDatabase.AccessAs(source), TimeSpan.FromSeconds(60));

        var result = await admin.InstallAsync(null, TestContext.Current.CancellationToken);

        // The probe finds this database only if its name is quoted right.
        result.SqlIsAutonomous.Should().BeTrue();
        await using var command = source.CreateCommand("SELECT jobmon.close_job(jobmon.add_job('x'))");
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        (await database.ScalarAsync<string>("SELECT job_name || status FROM jobmon.job_log", TestContext.Current.CancellationToken)).Should().Be("XOK");
    }

    [Fact]
    public async Task Schema_name_that_would_end_the_quoting_of_the_script_is_refused()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);

        var act = () => new JobmonInstaller(JobLogDatabase.AccessAs(database.DataSource))
            .InstallAsync(new InstallOptions { Schema = "x$omnipg$; SELECT 1/0; --" }, TestContext.Current.CancellationToken);

        await act.Should().ThrowAsync<ArgumentException>().WithMessage("*'$omnipg$'*");
    }

    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task The_own_mode_works_on_other_majors(int major)
    {
        var installation = await PgInstallations.TryGetAsync(major, cancellationToken: TestContext.Current.CancellationToken);
        Assert.SkipUnless(installation is not null, $"PostgreSQL {major} is not available");
        await using var cluster = await PgCluster.StartAsync(major, TestContext.Current.CancellationToken);
        await using var log = await JobLogDatabase.CreateAsync(cluster);

        await log.ExecuteAsync("SELECT S.sql_job('a', 'SELECT 1'), S.fail_job(S.add_job('b')), S.job_log_clear('1 d')");

        (await log.RowsAsync("SELECT job_name, status FROM S.show_job_like('^[AB]$')")).Should().Equal("B|CRITICAL", "A|OK");
        (await log.Monitor.CheckAsync(cancellationToken: TestContext.Current.CancellationToken)).Worst.Should().Be(AlertLevel.Ok);
        (await log.Admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.Zero }, null, TestContext.Current.CancellationToken)).DeletedJobs.Should().Be(3);
        (await log.RowsAsync("SELECT alert_status FROM S.check_job_status()")).Should().Equal("OK");
    }
}
