using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Interop;

/// <summary>The client on the tables of the original.</summary>
public sealed class ClientOnExtensionTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Client_logs_on_the_original_with_ids_beyond_31_bits_and_its_check_sees_it()
    {
        await using var database = await OriginalExtension.CreateAsync(server.Cluster);
        await using var jobmon = new JobmonClient(database.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await jobmon.Admin.InstallAsync(cancellationToken: Stop);
        await database.ExecuteAsync("SELECT setval('jobmon.job_log_job_id_seq', 2147483647), setval('jobmon.job_detail_step_id_seq', 2147483647)", Stop);

        using (var job = jobmon.Start("good"))
        {
            job.JobId.Should().Be(2147483648);
            using (var step = job.Step("one").Next("two", "first"))
            {
                step.Report(3, 3);
                step.Complete();
            }

            job.Complete();
        }

        for (var i = 0; i < 3; i++)
            jobmon.Start("bad").Fail("no luck");

        (await database.ScalarAsync<string>("SELECT string_agg(job_name || ' ' || status, ',' ORDER BY job_id) FROM jobmon.job_log", Stop))
            .Should().Be("GOOD OK,BAD CRITICAL,BAD CRITICAL,BAD CRITICAL");
        (await database.ScalarAsync<string>("SELECT string_agg(action || ' ' || status || ' ' || message, ',' ORDER BY step_id) FROM jobmon.job_detail WHERE job_id = 2147483648", Stop))
            .Should().MatchRegex("^one OK first,two OK 3 of 3 \\(100 %\\), [0-9,.]+/s$");
        (await database.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.run", Stop)).Should().Be(4);
        (await database.ScalarAsync<string>("SELECT alert_text FROM jobmon.check_job_status()", Stop)).Should().Be("3 consecutive CRITICAL runs");
    }

    [Fact]
    public async Task Job_of_the_client_and_sql_job_of_the_original_exclude_each_other()
    {
        await using var database = await OriginalExtension.CreateAsync(server.Cluster);
        await using var jobmon = new JobmonClient(database.DataSource);
        await jobmon.Admin.InstallAsync(cancellationToken: Stop);
        await using var psql = await database.DataSource.OpenConnectionAsync(Stop);
        await using var running = new Npgsql.NpgsqlCommand("SELECT jobmon.sql_job('export', 'SELECT pg_sleep(60)')", psql);
        var sleeping = running.ExecuteScalarAsync(Stop);
        await Eventually.TrueAsync(
            async () => await database.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()", Stop) == 1,
            "the SQL job works", cancellationToken: Stop);

        await using var job = await jobmon.Job("export").SingleInstance().StartAsync(Stop);

        job.Acquired.Should().BeFalse();
        running.Cancel();
        await sleeping.Awaiting(s => s).Should().ThrowAsync<OperationCanceledException>();
    }
}
