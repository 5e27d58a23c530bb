using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

public sealed class KilledProcessTests(PgClusterFixture server)
{
    [Fact]
    public async Task Killed_process_leaves_its_progress_is_declared_dead_once_and_frees_its_lock()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        using var worker = await WorkerProcess.StartAsync("hang", log.ConnectionString, "nightly");
        await using var jobmon = new JobmonClient(log.DataSource);
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.session WHERE liveness = 'lock'") == 1, "the worker holds its session lock", cancellationToken: TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<bool>("SELECT coalesce(max(current), 0) = 50000 FROM omnipg_jobmon.step"), "progress is flushed", cancellationToken: TestContext.Current.CancellationToken);
        (await jobmon.Job("nightly").SingleInstance().StartAsync(TestContext.Current.CancellationToken)).Acquired.Should().BeFalse();
        (await log.RowsAsync("SELECT status, message LIKE '50,000 of 100,000 (50 %)%', end_time IS NULL FROM S.job_detail WHERE action = 'load'")).Should().Equal("PENDING|t|t");

        await worker.SignalAsync("KILL");
        await worker.WaitAsync();
        await Eventually.TrueAsync(
            async () =>
            {
                // The client may come by for the same purpose, and be first.
                await log.ScalarAsync<int>("SELECT omnipg_jobmon.reap_dead_jobs('1 second')");
                return await log.ScalarAsync<bool>($"SELECT status IS NOT NULL FROM S.job_log WHERE job_id = {worker.JobId}");
            },
            "the dead run is closed", cancellationToken: TestContext.Current.CancellationToken);

        (await log.ScalarAsync<int>("SELECT omnipg_jobmon.reap_dead_jobs('1 second')")).Should().Be(0);
        (await log.RowsAsync($"SELECT status FROM S.job_log WHERE job_id = {worker.JobId}")).Should().Equal("CRITICAL");
        (await log.RowsAsync($"SELECT message LIKE 'DIED: worker on % (process {worker.Id}) last seen %50,000 of 100,000%' FROM S.job_detail WHERE job_id = {worker.JobId}"))
            .Should().Equal("t");
        await using var next = await jobmon.Job("NIGHTLY").SingleInstance().StartAsync(TestContext.Current.CancellationToken);
        next.Acquired.Should().BeTrue();
        await next.CompleteAsync(cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Lock_of_another_process_is_named_by_Throw_and_outlived_by_Wait()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        using var worker = await WorkerProcess.StartAsync("hang", log.ConnectionString, "export");
        await using var jobmon = new JobmonClient(log.DataSource);
        var cancellation = TestContext.Current.CancellationToken;

        var refused = (await jobmon.Job("EXPORT").SingleInstance(OnConflict.Throw).Awaiting(b => b.StartAsync(cancellation).AsTask())
            .Should().ThrowAsync<JobAlreadyRunningException>()).Which;
        var waiting = jobmon.Job("export").SingleInstance(TimeSpan.FromSeconds(60)).StartAsync(cancellation).AsTask();
        waiting.IsCompleted.Should().BeFalse();
        await worker.SignalAsync("KILL");
        await worker.WaitAsync();
        await using var next = await waiting.WaitAsync(TimeSpan.FromSeconds(60), cancellation);

        refused.HolderJobId.Should().Be(worker.JobId);
        refused.HolderPid.Should().NotBeNull();
        next.Acquired.Should().BeTrue();
        await next.CompleteAsync(cancellationToken: cancellation);
    }

    [Theory]
    [InlineData("hang-slow", "TERM")]
    [InlineData("exit", null)]
    [InlineData("throw", null)]
    public async Task Progress_is_flushed_when_the_process_ends_in_order(string mode, string? signal)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        using var worker = await WorkerProcess.StartAsync(mode, log.ConnectionString, "ends");

        if (signal is not null)
            await worker.SignalAsync(signal);
        await worker.WaitAsync();

        (await log.RowsAsync("SELECT current, total FROM omnipg_jobmon.step")).Should().Equal("50000|100000");
    }
}
