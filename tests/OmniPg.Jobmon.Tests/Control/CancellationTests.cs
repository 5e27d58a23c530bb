using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Control;

public sealed class CancellationTests(PgClusterFixture server)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Request_fires_the_token_and_cancels_the_attached_backend()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        long jobId = 0;
        var working = new TaskCompletionSource();

        var running = jobmon.RunAsync(
            "sleeper",
            async (job, ct) =>
            {
                await using var connection = await log.DataSource.OpenConnectionAsync(CancellationToken.None);
                job.Attach(connection);
                jobId = job.JobId!.Value;
                working.SetResult();
                await job.SqlStepAsync("sleep", "SELECT pg_sleep(60)", connection, cancellationToken: CancellationToken.None);
            },
            cancellationToken: Cancellation);
        // What fails before it works is to end the test, not to leave it waiting.
        await (await Task.WhenAny(working.Task, running));
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()") == 1, "the work sleeps", cancellationToken: Cancellation);
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.session WHERE liveness = 'lock'") == 1, "the control session listens", cancellationToken: Cancellation);
        (await log.ScalarAsync<int>($"SELECT omnipg_jobmon.request_cancel({jobId}, 'tester')")).Should().Be(1);

        await running.Awaiting(r => r).Should().ThrowAsync<Exception>().Where(e => e is OperationCanceledException || e is PostgresException);
        (await log.RowsAsync("SELECT l.status, d.status, d.message FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("CRITICAL|CRITICAL|Cancelled by tester");
        (await log.RowsAsync("SELECT cancel_requested_by FROM omnipg_jobmon.run")).Should().Equal("tester");
    }

    [Fact]
    public async Task Request_that_comes_while_the_control_session_is_set_up_is_seen_without_waiting_for_a_heartbeat()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { HeartbeatInterval = TimeSpan.FromMinutes(10), DeadAfter = TimeSpan.FromMinutes(30), CommandTimeout = TimeSpan.FromMinutes(1) });
        await using var job = await jobmon.StartAsync("asked", cancellationToken: Cancellation);
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.session WHERE liveness = 'lock'") == 1, "the control session listens", cancellationToken: Cancellation);
        await using var holder = await log.DataSource.OpenConnectionAsync(Cancellation);
        await using (var transaction = await holder.BeginTransactionAsync(Cancellation))
        {
            await new NpgsqlCommand("LOCK TABLE omnipg_jobmon.session IN SHARE MODE", holder).ExecuteNonQueryAsync(Cancellation);
            await log.ExecuteAsync("SELECT pg_terminate_backend(backend_pid) FROM omnipg_jobmon.session");
            await Eventually.TrueAsync(
                async () => await log.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE relation = 'omnipg_jobmon.session'::regclass AND NOT granted") == 1, "the next one registers itself", cancellationToken: Cancellation);
            (await log.ScalarAsync<int>($"SELECT omnipg_jobmon.request_cancel({job.JobId}, 'tester')")).Should().Be(0, "the flag is set, and there is no statement to cancel");
            await transaction.CommitAsync(Cancellation);
        }

        await Eventually.TrueAsync(() => job.CancellationToken.IsCancellationRequested, "the request arrives", cancellationToken: Cancellation);

        await job.FailAsync("cancelled", cancellationToken: Cancellation);
    }

    [Fact]
    public async Task Cancelled_job_says_so()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        IJob? seen = null;

        var running = jobmon.Job("loop").WhenCancelled(AlertLevel.Warning).RunAsync(
            async (job, ct) =>
            {
                seen = job;
                await job.StepAsync("wait", Cancellation);
                await Task.Delay(Timeout.Infinite, ct);
            },
            Cancellation);
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM S.job_detail JOIN omnipg_jobmon.session ON liveness = 'lock'") == 1, "the step waits", cancellationToken: Cancellation);
        await log.ExecuteAsync("SELECT omnipg_jobmon.request_cancel((SELECT job_id FROM S.job_log), 'tester')");

        await running.Awaiting(r => r).Should().ThrowAsync<OperationCanceledException>();
        seen!.State.Should().Be(JobState.Cancelled);
        (await log.RowsAsync("SELECT l.status, d.status, d.message FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("WARNING|WARNING|Cancelled by tester");
    }

    [Fact]
    public async Task Cancelled_token_of_the_caller_ends_the_job_as_cancelled()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        using var caller = new CancellationTokenSource();

        var running = jobmon.RunAsync(
            "loop",
            async (_, ct) =>
            {
                await caller.CancelAsync();
                await Task.Delay(Timeout.Infinite, ct);
            },
            cancellationToken: caller.Token);

        await running.Awaiting(r => r).Should().ThrowAsync<OperationCanceledException>();
        (await log.RowsAsync("SELECT l.status, d.action, d.message FROM S.job_log l JOIN S.job_detail d USING (job_id)"))
            .Should().Equal("CRITICAL|EXCEPTION before first step logged|Cancelled");
    }

    [Fact]
    public async Task Run_ended_by_somebody_else_keeps_their_end()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        var job = jobmon.Start("contested");
        await log.ExecuteAsync("UPDATE S.job_log SET end_time = now(), status = 'WARNING'");

        job.Complete();

        job.State.Should().Be(JobState.EndedElsewhere);
        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("WARNING");
    }

    [Fact]
    public async Task Run_declared_dead_by_mistake_is_recovered_with_its_true_outcome()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { Liveness = LivenessMode.Heartbeat });
        var job = jobmon.Start("paused");
        var step = job.Step("long pause");
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.session WHERE backend_pid IS NOT NULL") == 1, "the control session is registered", cancellationToken: Cancellation);
        // One transaction: a heartbeat in between would show that it lives.
        (await log.ScalarAsync<int>("UPDATE omnipg_jobmon.session SET heartbeat_at = now() - interval '1 hour'; SELECT omnipg_jobmon.reap_dead_jobs()")).Should().Be(1);

        step.Complete("all rows");
        job.Complete();

        job.State.Should().Be(JobState.Completed);
        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("OK");
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail ORDER BY step_id")).Should().Equal(
            "long pause|OK|all rows (recovered after being declared dead)", "Finished|OK|(recovered after being declared dead)");
    }

    [Fact]
    public async Task Callback_of_the_token_that_throws_is_reported()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var lines = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { HeartbeatInterval = TimeSpan.FromMilliseconds(100) }, lines);
        await using var job = await jobmon.StartAsync("throws when cancelled", cancellationToken: Cancellation);
        await using var callback = job.CancellationToken.Register(() => throw new InvalidDataException("bad callback"));

        await log.ExecuteAsync("SELECT omnipg_jobmon.request_cancel((SELECT job_id FROM S.job_log), 'tester')");

        await Eventually.TrueAsync(() => lines.Lines.Any(l => l.Id.Id == 3203), "the failure is in the log of the program", cancellationToken: Cancellation);
        lines.Lines.Should().Contain(l => l.Id.Id == 3203 && l.Message.Contains("bad callback", StringComparison.Ordinal));
        await job.FailAsync("cancelled", cancellationToken: Cancellation);
    }
}
