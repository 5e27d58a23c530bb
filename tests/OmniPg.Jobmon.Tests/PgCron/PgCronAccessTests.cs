using Npgsql;

namespace OmniPg.Jobmon.Tests.PgCron;

/// <summary>A check that cannot see the jobs of pg_cron says why, and never that all is well.</summary>
[Collection(nameof(PgCronCollection))]
public sealed class PgCronAccessTests(PgCronFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_database_without_pg_cron_is_named()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);

        var check = () => cron.MonitorAs(cron.Log.DataSource).CheckAsync(cancellationToken: Stop);
        var list = async () => await cron.HistoryAs(cron.Log.DataSource).ListAsync(new JobQuery(), Stop).ToListAsync(Stop);

        (await check.Should().ThrowAsync<JobmonNotInstalledException>()).Which.Database.Should().Be(cron.Log.Name);
        (await list.Should().ThrowAsync<JobmonNotInstalledException>()).WithMessage($"Database '{cron.Log.Name}' has no extension 'pg_cron'. Hint: *cron.database_name*");
    }

    [Fact]
    public async Task A_server_that_is_away_is_named()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        await using var away = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Database=jobs;Username=x;Timeout=2");

        var act = () => cron.MonitorAs(away).CheckAsync(cancellationToken: Stop);

        (await act.Should().ThrowAsync<JobmonUnavailableException>()).WithMessage("The database of pg_cron on '127.0.0.1:1/jobs' could not be used for 'check of pg_cron': *")
            .Which.IsTransient.Should().BeTrue();
    }

    [Fact]
    public async Task An_extension_that_records_no_runs_is_too_old()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        await cron.ExecuteAsync("UPDATE pg_extension SET extversion = '1.2' WHERE extname = 'pg_cron'");

        var act = () => cron.Monitor.CheckAsync(cancellationToken: Stop);

        (await act.Should().ThrowAsync<JobmonUnsupportedVersionException>()).WithMessage("Version '1.2' of extension pg_cron is not supported; supported is '1.3 or later'.*");
    }

    [Fact]
    public async Task A_role_is_told_one_missing_right_after_the_other_and_with_all_of_them_sees_every_job()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var role = $"Watch {Guid.NewGuid():N}"[..20];
        await cron.ExecuteAsync($"REVOKE SELECT ON cron.job, cron.job_run_details FROM PUBLIC; CREATE ROLE \"{role}\" LOGIN");
        var job = await cron.JobAsync("nightly", "0 0 31 2 *");
        foreach (var ago in new[] { 300, 200, 100 })
            await cron.RunAsync(job, "failed", ago, ago - 1, "ERROR:  no");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(cron.ConnectionString) { Username = role, Pooling = false }.ConnectionString);
        var told = new List<(string Privilege, string Object)>();

        JobCheckResult? report = null;
        while (report is null)
        {
            try
            {
                report = await cron.MonitorAs(source).CheckAsync(cancellationToken: Stop);
            }
            catch (JobmonPermissionException error) when (told.Count < 9)
            {
                error.Role.Should().Be(role);
                told.Add((error.Privilege, error.ObjectName));
                await cron.ExecuteAsync(error.Grant);
            }
        }

        told.Should().Equal(
            ("USAGE", "schema cron"), ("SELECT", "cron.job, cron.job_run_details"), ("the right to read", "cron.timezone, cron.log_run"),
            ("a policy that shows it rows", "cron.job, cron.job_run_details"));
        report.Alerts.Should().ContainSingle().Which.AlertText.Should().Be("3 failed run(s), and no success: ERROR:  no");
        await cron.ExecuteAsync($"DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"");
    }

    [Fact]
    public async Task Without_a_policy_a_role_is_told_of_its_own_jobs()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var role = $"own_{Guid.NewGuid():N}"[..20];
        await cron.ExecuteAsync($"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA cron TO {role}; GRANT pg_read_all_settings TO {role}");
        await cron.JobAsync("mine", "50-10 0 * * *");
        await cron.ExecuteAsync($"UPDATE cron.job SET username = '{role}'");
        await cron.JobAsync("theirs", "50-10 0 * * *");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(cron.ConnectionString) { Username = role, Pooling = false }.ConnectionString);

        var report = await cron.MonitorAs(source).CheckAsync(cancellationToken: Stop);

        report.Alerts.Should().ContainSingle().Which.JobName.Should().Be("PG_CRON: MINE");
        await cron.ExecuteAsync($"DROP OWNED BY {role}; DROP ROLE {role}");
    }

    [Fact]
    public async Task A_server_without_any_job_of_pg_cron_is_well()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server, scheduler: false);

        (await cron.CheckAsync()).Should().Equal("1|OK||All jobs run successfully");
    }
}
