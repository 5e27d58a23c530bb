using System.Reflection;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Errors;

/// <summary>Every exception of the package as a caller meets it: type, code, whole message with its hint, properties, and the server's answer inside.</summary>
public sealed class ExceptionTests(PgClusterFixture server)
{
    private static readonly JobmonOptions Strict = new() { ErrorPolicy = ErrorPolicy.Throw };

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_database_without_a_log()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await using var jobmon = new JobmonClient(database.DataSource, new JobmonOptions { Schema = "elsewhere", ErrorPolicy = ErrorPolicy.Throw });

        var error = jobmon.Invoking(j => j.Start("x")).Should().Throw<JobmonNotInstalledException>().Which;
        var checking = (await jobmon.Monitor.Awaiting(m => m.CheckAsync(cancellationToken: Stop)).Should().ThrowAsync<JobmonNotInstalledException>()).Which;

        (error.Code, error.Database, error.Schema, error.IsTransient).Should().Be(("jobmon.not-installed", database.Name, "elsewhere", false));
        error.Message.Should().Be($"Database '{database.Name}' has neither extension 'pg_jobmon' nor a job log in schema 'elsewhere'. "
            + "Hint: Run Admin.InstallAsync() once, or hand the script of Admin.InstallPlan() to the owner of the database.");
        checking.Message.Should().Be(error.Message);
    }

    [Fact]
    public async Task A_database_without_pg_cron()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { PgCron = true });

        var error = (await jobmon.Monitor.Awaiting(m => m.CheckAsync(cancellationToken: Stop)).Should().ThrowAsync<JobmonNotInstalledException>()).Which;

        (error.Code, error.Database, error.Schema, error.IsTransient).Should().Be(("jobmon.pg-cron-not-installed", log.Name, "cron", false));
        error.Message.Should().Be($"Database '{log.Name}' has no extension 'pg_cron'. Hint: pg_cron lives in the one database of the server that its setting "
            + "cron.database_name names; point PgCronConnectionString or PgCronDataSource there, or turn PgCron off.");
    }

    [Fact]
    public async Task A_schema_that_holds_something_else()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await database.ExecuteAsync("CREATE SCHEMA jobmon; CREATE TABLE jobmon.job_log (i int)", Stop);
        await using var jobmon = new JobmonClient(database.DataSource);

        var error = (await jobmon.Admin.Awaiting(a => a.InstallAsync(null, Stop)).Should().ThrowAsync<JobmonConflictException>()).Which;

        (error.Code, error.Schema, error.IsTransient).Should().Be(("jobmon.conflict", "jobmon", false));
        error.Message.Should().Be("Schema 'jobmon' cannot take the job log: it holds foreign objects of the same names: job_log. Hint: Choose another schema name; nothing was changed.");
    }

    [Fact]
    public async Task A_log_of_another_version()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("COMMENT ON FUNCTION S.omnipg_jobmon_version() IS '99'");
        await using var jobmon = new JobmonClient(log.DataSource, Strict);

        var error = jobmon.Invoking(j => j.Start("x")).Should().Throw<JobmonUnsupportedVersionException>().Which;

        (error.Code, error.Found, error.Supported, error.IsTransient).Should().Be(("jobmon.unsupported-version", "99", "2", false));
        error.Message.Should().Be("Version '99' of the job log in schema 'jobmon' is not supported; supported is '2'. Hint: Use the package version that installed it, or a later one; nothing was changed.");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_role_without_a_right(bool async)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var role = $"bare_{log.Name}";
        await log.ExecuteAsync($"CREATE ROLE {role} LOGIN; {log.Admin.GrantScript(role, JobmonAccess.Write)} REVOKE UPDATE ON S.job_log FROM {role}");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = role }.ConnectionString);
        await using var jobmon = new JobmonClient(source, Strict);
        using var job = jobmon.Start("x");

        var ending = () => async ? job.CompleteAsync(cancellationToken: Stop).AsTask() : Task.Run(() => job.Complete(), Stop);
        var error = (await ending.Should().ThrowAsync<JobmonPermissionException>()).Which;

        (error.Code, error.Role, error.Privilege, error.ObjectName, error.SqlState).Should().Be(("jobmon.permission", role, "UPDATE", "jobmon.job_log", "42501"));
        error.Grant.Should().Be($"GRANT UPDATE ON jobmon.job_log TO {role};");
        error.Message.Should().Be($"Role '{role}' lacks UPDATE on 'jobmon.job_log'. Hint: Run as owner: {error.Grant}");
    }

    [Fact]
    public async Task A_server_that_is_not_there()
    {
        await using var source = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Database=shop;Username=u;Password=s3cret");
        await using var jobmon = new JobmonClient(source, Strict);

        var error = jobmon.Invoking(j => j.Start("x")).Should().Throw<JobmonUnavailableException>().Which;
        var checking = (await jobmon.Monitor.Awaiting(m => m.CheckAsync(cancellationToken: Stop)).Should().ThrowAsync<JobmonUnavailableException>()).Which;

        (error.Code, error.Operation, error.IsTransient, error.SqlState).Should().Be(("jobmon.unavailable", "job start", true, null));
        error.Message.Should().StartWith("The job log on '127.0.0.1:1/shop' could not be used for 'job start': ")
            .And.EndWith(" Hint: Check that the server is up, writable and has free connections and disk space.");
        error.ToString().Should().NotContain("s3cret");
        checking.Message.Should().StartWith("The job log on '127.0.0.1:1/shop' could not be used for 'check': ");
    }

    [Fact]
    public async Task A_job_that_runs_already()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var here = new JobmonClient(log.DataSource);
        await using var there = new JobmonClient(log.DataSource);
        using var running = here.Job("Export").SingleInstance().Start();

        var error = there.Invoking(j => j.Job("Export").SingleInstance(OnConflict.Throw).Start()).Should().Throw<JobAlreadyRunningException>().Which;

        (error.Code, error.JobName, error.HolderJobId).Should().Be(("jobmon.already-running", "Export", running.JobId));
        error.Message.Should().Be($"Job 'Export' is already running as job id '{running.JobId}' in backend '{error.HolderPid}' since '{error.Since!.Value.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z'. "
            + "Hint: Wait for the other run, cancel it, or start with OnConflict.Skip.");
        running.Complete();
    }

    [Fact]
    public async Task An_event_that_the_server_will_never_take()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, Strict);
        using var job = jobmon.Start("purged");
        await log.ExecuteAsync("DELETE FROM S.job_log");

        var error = job.Invoking(j => j.Step("orphan")).Should().Throw<JobmonWriteException>().Which;

        (error.Code, error.Operation, error.SqlState).Should().Be(("jobmon.write", "step start", "23503"));
        error.Message.Should().StartWith("The server refused the event 'step start': 23503: insert or update on table \"job_detail\" violates foreign key constraint \"job_detail_job_id_fkey\"")
            .And.EndWith("Hint: The inner exception tells the server's reason.");
        error.InnerException.Should().BeOfType<PostgresException>();
    }

    [Fact]
    public void All_of_them_stand_here()
    {
        var thrown = typeof(ExceptionTests).GetMethods(BindingFlags.Public | BindingFlags.Instance).Select(m => m.Name);

        typeof(JobmonException).Assembly.GetExportedTypes().Where(t => t.IsSubclassOf(typeof(JobmonException))).Select(t => t.Name).Should().BeEquivalentTo(
            "JobmonNotInstalledException", "JobmonConflictException", "JobmonUnsupportedVersionException", "JobmonPermissionException",
            "JobmonUnavailableException", "JobAlreadyRunningException", "JobmonWriteException");
        thrown.Count(n => n.StartsWith("A_", StringComparison.Ordinal) || n.StartsWith("An_", StringComparison.Ordinal)).Should().Be(8);
    }
}
