using OmniPg.Jobmon.Tests.Faults;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

/// <summary>Runs that are recorded only when they matter.</summary>
public sealed class ErrorsOnlyTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Run_without_a_failure_leaves_no_row()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        await jobmon.Job("every second").ErrorsOnly(TimeSpan.FromHours(1)).RunAsync(async (job, ct) =>
        {
            job.JobId.Should().BeNull();
            await using var step = await job.StepAsync("look", ct);
            step.Report(1, 1);
            step.Complete();
            job.Log(Microsoft.Extensions.Logging.LogLevel.Information, "nothing to do");
        }, Stop).Awaiting(t => t).Should().NotThrowAsync();
        jobmon.Job("every second").ErrorsOnly().Start().Complete("fine");
        jobmon.Start("the log works").Complete();

        (await log.RowsAsync("SELECT job_name FROM S.job_log")).Should().Equal("THE LOG WORKS");
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_detail")).Should().Be(0);
        (await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.run")).Should().Be(1);
    }

    [Fact]
    public async Task Run_that_fails_is_written_whole_with_its_true_times()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        jobmon.Start("opens the connections").Complete();

        var job = jobmon.Job("breaks").ErrorsOnly().Tag("daily").Start();
        using (var good = job.Step("good"))
            good.Complete("done");
        // The clocks are tied to within half a round trip: what is compared lies further apart.
        await log.ExecuteAsync("SELECT pg_sleep(1)");
        var between = await log.ScalarAsync<DateTime>("SELECT clock_timestamp()");
        job.Step("bad");
        job.Fail(new InvalidDataException("no luck"));

        (await log.RowsAsync("SELECT job_name, status FROM S.job_log WHERE job_name = 'BREAKS'")).Should().Equal("BREAKS|CRITICAL");
        (await log.RowsAsync("SELECT action, status, split_part(message, E'\\n', 1) FROM S.job_detail ORDER BY step_id")).Should().Equal("good|OK|done", "bad|CRITICAL|ERROR: no luck");
        (await log.RowsAsync("SELECT tags FROM omnipg_jobmon.run WHERE tags IS NOT NULL")).Should().Equal("{daily}");
        var ended = await log.ScalarAsync<DateTime>("SELECT end_time FROM S.job_detail WHERE action = 'good'");
        ended.Should().BeBefore(between, "the step ended before the failure caused the write");
    }

    [Fact]
    public async Task Run_with_a_failed_step_is_written_although_it_completes()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);

        using (var job = jobmon.Job("warns").ErrorsOnly().Start())
        {
            using (var step = job.Step("look"))
                step.Warn("odd");
            job.Complete();
        }

        (await log.RowsAsync("SELECT l.status, d.status, d.message FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("OK|WARNING|odd");
    }

    [Fact]
    public async Task Run_that_becomes_long_is_seen_while_it_still_runs()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { FlushInterval = TimeSpan.FromMilliseconds(50) });

        using var brief = jobmon.Job("not long yet").ErrorsOnly(TimeSpan.FromHours(1)).Start();
        using var job = jobmon.Job("long").ErrorsOnly(TimeSpan.FromMilliseconds(200)).Start();
        using (var step = job.Step("hang"))
        {
            job.JobId.Should().BeNull();
            await Eventually.TrueAsync(
                async () => (await log.RowsAsync("SELECT l.status, d.action FROM S.job_log l JOIN S.job_detail d USING (job_id)")) is ["~|hang"], "the run is written", cancellationToken: Stop);
            step.Complete("done");
        }

        job.Complete();
        brief.Complete();
        (await log.RowsAsync("SELECT job_name FROM S.job_log")).Should().Equal("LONG");
        (await log.RowsAsync("SELECT l.status, d.status, d.message FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("OK|OK|done");
    }

    [Fact]
    public async Task Run_kept_in_memory_ends_although_it_is_released_while_it_ends()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var time = new InterposedTime();
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }, timeProvider: time);
        await using var job = await jobmon.Job("released").ErrorsOnly(TimeSpan.FromHours(1)).StartAsync(Stop);
        time.WhenReadBy("get_IsLong", () => job.FlushAsync(Stop).AsTask().GetAwaiter().GetResult());

        job.Complete();

        time.Fired.Should().BeTrue();
        (await log.RowsAsync("SELECT job_name, status FROM S.job_log")).Should().Equal("RELEASED|OK");
    }
}
