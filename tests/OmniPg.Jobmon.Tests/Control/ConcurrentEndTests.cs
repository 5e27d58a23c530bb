using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Control;

/// <summary>Several ends of one run at once: one of them is recorded, and every loser knows.</summary>
public sealed class ConcurrentEndTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_of_complete_fail_cancel_and_reap_wins()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw, Liveness = LivenessMode.Heartbeat });
        var outcomes = new HashSet<string>();

        for (var round = 0; round < 25; round++)
        {
            var job = await jobmon.StartAsync($"race {round}", cancellationToken: Stop);
            var id = job.JobId!.Value;
            // Nothing lives behind the run any more for others, so that the reaper and the canceller take it for dead.
            await log.ExecuteAsync($"UPDATE omnipg_jobmon.session SET heartbeat_at = now() - interval '1 h'; UPDATE S.job_log SET pid = 1 WHERE job_id = {id}");
            using var start = new Barrier(4);

            var ends = await Task.WhenAll(
                Race(start, async () => { await job.CompleteAsync(cancellationToken: Stop); return "complete"; }),
                Race(start, async () => { await job.FailAsync("reason", cancellationToken: Stop); return "fail"; }),
                Race(start, async () => (await jobmon.Admin.CancelAsync(id, "why", Stop)).ToString()),
                Race(start, async () => $"reaped {await jobmon.Admin.ReapAsync(Stop)}"));

            var row = (await log.RowsAsync($"SELECT l.status, (SELECT count(*) FROM S.job_check_log c WHERE c.job_id = l.job_id), (SELECT string_agg(message, '; ' ORDER BY step_id) FROM S.job_detail d WHERE d.job_id = l.job_id) FROM S.job_log l WHERE job_id = {id}"))
                .Should().ContainSingle().Which.Split('|');
            var (status, failures, messages) = (row[0], row[1], row[2]);
            failures.Should().Be(status == "OK" ? "0" : "1", "an alert belongs to the recorded end: {0}, {1}, {2}", job.State, status, messages);
            var expected = job.State switch
            {
                // Who was declared dead at this very moment still records the true end.
                JobState.Completed => status == "OK",
                JobState.Failed => status == "CRITICAL" && messages.Contains("reason", StringComparison.Ordinal),
                JobState.EndedElsewhere => status == "CRITICAL" && ends[2] == "MarkedCancelled" && messages.Contains("Manually cancelled", StringComparison.Ordinal),
                _ => false,
            };
            expected.Should().BeTrue("the handle must know who has won: {0}, {1}, {2}, {3}", job.State, status, messages, string.Join(", ", ends));
            if (ends[2] == "MarkedCancelled")
                job.State.Should().Be(JobState.EndedElsewhere);
            outcomes.Add($"{job.State} {ends[2]}");
            job.Dispose();
        }

        outcomes.Should().NotBeEmpty();
    }

    [Fact]
    public async Task A_forged_worker_is_not_signalled_while_the_owner_is_told()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        await using var innocent = await log.DataSource.OpenConnectionAsync(Stop);
        await log.RowsAsync(holder, "SELECT pg_advisory_lock(1)");
        var working = log.RowsAsync(innocent, "SELECT 'mine' FROM pg_advisory_lock(1)");
        await using var job = await jobmon.StartAsync("forged", cancellationToken: Stop);
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.session WHERE liveness = 'lock'") == 1, "the control session listens", cancellationToken: Stop);
        await log.ExecuteAsync($"UPDATE S.job_log SET pid = {innocent.ProcessID}; UPDATE omnipg_jobmon.run SET work_pid = {innocent.ProcessID}, work_backend_start = now() - interval '1 d';"
            + $"INSERT INTO S.job_log (owner, job_name, start_time, pid) VALUES ('me', 'FOREIGN', now() - interval '1 d', {innocent.ProcessID})");
        var foreign = await log.ScalarAsync<long>("SELECT job_id FROM S.job_log WHERE job_name = 'FOREIGN'");

        var told = await jobmon.Admin.CancelAsync(job.JobId!.Value, null, Stop);
        var marked = await jobmon.Admin.CancelAsync(foreign, null, Stop);
        await Eventually.TrueAsync(() => job.CancellationToken.IsCancellationRequested, "the owner is told", cancellationToken: Stop);
        await log.RowsAsync(holder, "SELECT pg_advisory_unlock(1)");

        (told, marked).Should().Be((CancelResult.Requested, CancelResult.MarkedCancelled));
        (await working).Should().Equal("mine");
        await job.DisposeAsync();
        (await log.RowsAsync("SELECT job_name, status FROM S.job_log ORDER BY job_id")).Should().Equal("FORGED|CRITICAL", "FOREIGN|CRITICAL");
    }

    private static Task<string> Race(Barrier start, Func<Task<string>> end) => Task.Factory.StartNew(
        () =>
        {
            start.SignalAndWait(Stop);
            return end();
        },
        Stop, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
}
