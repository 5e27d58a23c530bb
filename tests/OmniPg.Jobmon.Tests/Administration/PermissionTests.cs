using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Administration;

/// <summary>Roles without superuser: installation, the grant script, and refusals that name the missing right.</summary>
public sealed class PermissionTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_owner_without_superuser_installs_after_the_grant_that_the_refusal_names()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await database.ExecuteAsync($"CREATE ROLE \"owner_{database.Name}\" LOGIN", Stop);
        await using var source = As(database.ConnectionString, $"owner_{database.Name}");
        var admin = new JobmonAdmin(JobLogDatabase.AccessAs(source), TimeSpan.FromSeconds(60));

        var refused = (await ((Func<Task>)(() => admin.InstallAsync(null, Stop))).Should().ThrowAsync<JobmonPermissionException>()).Which;
        await database.ExecuteAsync(refused.Grant, Stop);
        var result = await admin.InstallAsync(null, Stop);
        var again = await admin.InstallAsync(null, Stop);

        refused.Message.Should().StartWith($"Role 'owner_{database.Name}' lacks CREATE on '{database.Name}'.");
        result.AlreadyInstalled.Should().BeFalse();
        result.SqlIsAutonomous.Should().BeFalse();
        again.AlreadyInstalled.Should().BeTrue();
    }

    [Theory]
    [InlineData(JobmonAccess.Read)]
    [InlineData(JobmonAccess.Write)]
    [InlineData(JobmonAccess.Manage)]
    public async Task The_grant_script_is_enough_and_no_more(JobmonAccess access)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var role = $"role_{access}_{log.Name}";
        await log.ExecuteAsync($"CREATE ROLE \"{role}\" LOGIN; " + log.Admin.GrantScript(role, access));
        await using var source = As(log.ConnectionString, role);
        var own = JobLogDatabase.AccessAs(source);
        var admin = new JobmonAdmin(own, TimeSpan.FromSeconds(60));

        Func<Task> read = async () =>
        {
            await new JobHistory(own, TimeSpan.FromSeconds(60)).ListAsync(new JobQuery(), Stop).ToListAsync(Stop);
            await new JobHistory(own, TimeSpan.FromSeconds(60)).RunningAsync(10, Stop).ToListAsync(Stop);
            await new JobMonitor(own, TimeSpan.FromSeconds(60), TimeProvider.System).CheckAsync(cancellationToken: Stop);
        };
        Func<Task> write = async () =>
        {
            await using var command = source.CreateCommand("SELECT jobmon.fail_job(j), jobmon.update_step(s, 'OK', '') FROM jobmon.add_job('x') j, jobmon.add_step(j, 'a') s");
            await command.ExecuteNonQueryAsync(Stop);
            await admin.ReapAsync(Stop);
        };
        Func<Task> manage = async () =>
        {
            await admin.Rule("x").Warn("1 h").Error("2 h").MaxRuntime(TimeSpan.FromHours(1)).ActivateAsync(Stop);
            await admin.AcknowledgeAsync("x", "me", null, Stop);
            await admin.SetStatusTextAsync(AlertLevel.Ok, "OK", Stop);
            await admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.FromDays(1) }, null, Stop);
        };

        await read.Should().NotThrowAsync();
        if (access == JobmonAccess.Read)
            (await write.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.InsufficientPrivilege);
        else
            await write.Should().NotThrowAsync();
        if (access == JobmonAccess.Manage)
            await manage.Should().NotThrowAsync();
        else
            await manage.Should().ThrowAsync<JobmonPermissionException>();
    }

    [Fact]
    public async Task A_refusal_names_the_missing_right_and_its_grant_works()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var role = $"bare \"{log.Name}\"";
        var quoted = PgIdentifier.Create(role).Quoted;
        await log.ExecuteAsync($"CREATE ROLE {quoted} LOGIN");
        await using var source = As(log.ConnectionString, role);
        var history = new JobHistory(JobLogDatabase.AccessAs(source), TimeSpan.FromSeconds(60));

        var act = async () => await history.ListAsync(new JobQuery(), Stop).ToListAsync(Stop);
        var refused = (await act.Should().ThrowAsync<JobmonPermissionException>()).Which;
        await log.ExecuteAsync(refused.Grant);

        refused.Privilege.Should().Be("USAGE");
        refused.ObjectName.Should().Be("jobmon");
        await act.Should().NotThrowAsync();
    }

    [Fact]
    public async Task A_refusal_gives_alike_rights_by_one_statement()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var role = $"late_{log.Name}";
        await log.ExecuteAsync($"CREATE ROLE {role} LOGIN; {log.Admin.GrantScript(role, JobmonAccess.Read)}");
        await using var source = As(log.ConnectionString, role);
        await using var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        var refused = jobmon.Invoking(j => j.Start("x")).Should().Throw<JobmonPermissionException>().Which;

        refused.Grant.Should().Be($"GRANT INSERT, UPDATE ON jobmon.job_detail, jobmon.job_log, omnipg_jobmon.run, omnipg_jobmon.session, omnipg_jobmon.step TO {role}; "
            + $"GRANT INSERT ON omnipg_jobmon.log_line TO {role}; GRANT USAGE ON SEQUENCE jobmon.job_detail_step_id_seq, jobmon.job_log_job_id_seq TO {role}; "
            + $"GRANT EXECUTE ON FUNCTION omnipg_jobmon.reap_dead_jobs(interval,boolean), omnipg_jobmon.request_cancel(bigint,text) TO {role};");
        await log.ExecuteAsync(refused.Grant);
        jobmon.Start("x").Complete();
    }

    [Fact]
    public async Task A_role_that_cannot_see_who_died_is_not_told_that_nobody_did()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync($"CREATE ROLE blind_{log.Name} LOGIN");
        await using var source = As(log.ConnectionString, $"blind_{log.Name}");
        var admin = new JobmonAdmin(JobLogDatabase.AccessAs(source), TimeSpan.FromSeconds(60));

        var reap = () => admin.ReapAsync(Stop);

        (await reap.Should().ThrowAsync<JobmonPermissionException>()).Which.Privilege.Should().Be("USAGE");
        await log.ExecuteAsync("DROP SCHEMA omnipg_jobmon CASCADE");
        (await log.Admin.ReapAsync(Stop)).Should().Be(0, "without side tables there is nobody to close a run for");
    }

    [Fact]
    public async Task With_a_reader_role_others_see_only_their_own_runs()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        string owner = $"own_{log.Name}", reader = $"all_{log.Name}", group = $"group_{log.Name}";
        await log.ExecuteAsync($"CREATE ROLE {group}; CREATE ROLE {owner} LOGIN; CREATE ROLE {reader} LOGIN IN ROLE {group}; "
            + log.Admin.GrantScript(owner, JobmonAccess.Write) + log.Admin.GrantScript(reader, JobmonAccess.Read));
        await log.Admin.InstallAsync(new InstallOptions { ReaderRole = group }, Stop);
        await log.ExecuteAsync("SELECT S.add_job('admins')");
        await using var ownSource = As(log.ConnectionString, owner);
        await using var readSource = As(log.ConnectionString, reader);
        await using (var command = ownSource.CreateCommand("SELECT jobmon.close_job(j) FROM jobmon.add_job('mine') j, jobmon.add_step(j, 'a')"))
            await command.ExecuteNonQueryAsync(Stop);

        async Task<string[]> SeenBy(NpgsqlDataSource source) => await new JobHistory(JobLogDatabase.AccessAs(source), TimeSpan.FromSeconds(60))
            .ListAsync(new JobQuery(), Stop).Select(j => $"{j.JobName} {j.Status}").ToArrayAsync(Stop);

        (await SeenBy(ownSource)).Should().Equal("MINE OK");
        (await SeenBy(readSource)).Should().Equal("MINE OK", "ADMINS ");

        await log.ExecuteAsync("INSERT INTO omnipg_jobmon.run (job_id, error) SELECT job_id, '{}' FROM S.job_log; INSERT INTO omnipg_jobmon.step (step_id, job_id) SELECT step_id, job_id FROM S.job_detail;"
            + "INSERT INTO omnipg_jobmon.step (step_id, job_id) SELECT -1, job_id FROM S.job_log WHERE job_name = 'ADMINS';"
            + "INSERT INTO omnipg_jobmon.log_line (job_id, seq, ts, level) SELECT job_id, 1, now(), 2 FROM S.job_log");
        const string Side = "SELECT (SELECT count(*) FROM omnipg_jobmon.run) || ' ' || (SELECT count(*) FROM omnipg_jobmon.step) || ' ' || (SELECT count(*) FROM omnipg_jobmon.log_line)";
        (await ownSource.CreateCommand(Side).ExecuteScalarAsync(Stop)).Should().Be("1 1 1");
        (await readSource.CreateCommand(Side).ExecuteScalarAsync(Stop)).Should().Be("2 2 2");
        await using var jobmon = new JobmonClient(ownSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        using (var job = jobmon.Start("through the client"))
        {
            using (var step = job.Step("work"))
                step.Complete("done");
            job.Complete();
        }

        (await SeenBy(ownSource)).Should().Equal("THROUGH THE CLIENT OK", "MINE OK");
    }

    private static NpgsqlDataSource As(string connectionString, string role) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString) { Username = role }.ConnectionString);
}
