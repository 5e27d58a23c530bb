using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Control;

/// <summary>Blocking concerns the backend that does the work, not the one that keeps the log.</summary>
public sealed class AttachedWorkerTests(PgClusterFixture server)
{
    private const string Blocked = "Another transaction has a lock that blocking this job from completing";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Attached_worker_that_waits_for_a_lock_is_blocked_and_the_holder_is_named(bool attachedAtStart)
    {
        await using var log = await WithFailuresOfAsync("load");
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        await using var worker = await log.DataSource.OpenConnectionAsync(Stop);
        await log.RowsAsync(holder, "BEGIN; LOCK TABLE work");
        await using var job = attachedAtStart ? await jobmon.Job("load").Attach(worker).StartAsync(Stop) : await jobmon.StartAsync("load", cancellationToken: Stop);
        if (!attachedAtStart)
            job.Attach(worker);

        var before = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        var working = job.SqlStepAsync("read", "SELECT count(*) FROM work", worker, cancellationToken: Stop);
        var since = await WaitsAsync(log, worker);
        var blocked = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        var rows = await log.RowsAsync("SELECT * FROM S.check_job_status()");
        await log.RowsAsync(holder, "ROLLBACK");
        await working;
        var after = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);

        before.Alerts.Should().ContainSingle().Which.AlertStatusText.Should().Be("FAILED_RUN");
        blocked.Alerts.Should().ContainSingle().Which.Should().BeEquivalentTo(new
        {
            Level = AlertLevel.Critical, Status = JobAlertStatus.Blocked, AlertStatusText = "BLOCKED", JobName = "LOAD",
            AlertText = $"{Blocked} (blocked by pid {holder.ProcessID} since {since})",
        });
        rows.Should().Equal($"3|BLOCKED|LOAD|{Blocked} (blocked by pid {holder.ProcessID} since {since})");
        after.Alerts.Should().ContainSingle().Which.AlertStatusText.Should().Be("FAILED_RUN");
        (await log.RowsAsync("SELECT l.pid = r.work_pid, r.work_pid, r.work_backend_start IS NOT NULL FROM S.job_log l JOIN omnipg_jobmon.run r USING (job_id)"))
            .Should().Equal($"t|{worker.ProcessID}|t");
        await job.CompleteAsync(cancellationToken: Stop);
    }

    [Fact]
    public async Task Holder_is_named_when_only_one_of_several_runs_waits()
    {
        await using var log = await WithFailuresOfAsync("load");
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        var workers = new[] { await log.DataSource.OpenConnectionAsync(Stop), await log.DataSource.OpenConnectionAsync(Stop) };
        await log.RowsAsync(holder, "BEGIN; LOCK TABLE work");

        // Whichever of the two pids is the larger one: each waits once while the other is idle.
        foreach (var (waiting, idle) in new[] { (workers[0], workers[1]), (workers[1], workers[0]) })
        {
            var busy = jobmon.Start("load");
            busy.Attach(waiting);
            var quiet = jobmon.Start("load");
            quiet.Attach(idle);
            var working = log.RowsAsync(waiting, "SELECT count(*) FROM work");
            var since = await WaitsAsync(log, waiting);

            (await jobmon.Monitor.CheckAsync(cancellationToken: Stop)).Alerts.Should().ContainSingle()
                .Which.AlertText.Should().Be($"{Blocked} (blocked by pid {holder.ProcessID} since {since})");

            await log.RowsAsync(holder, "ROLLBACK");
            await working;
            await log.RowsAsync(holder, "BEGIN; LOCK TABLE work");
            busy.Fail("next");
            quiet.Fail("next");
        }

        foreach (var worker in workers)
            await worker.DisposeAsync();
    }

    [Fact]
    public async Task Another_session_that_inherited_the_pid_of_a_worker_does_not_block_the_job()
    {
        await using var log = await WithFailuresOfAsync("load");
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        await using var innocent = await log.DataSource.OpenConnectionAsync(Stop);
        await log.RowsAsync(holder, "BEGIN; LOCK TABLE work");
        await using var job = await jobmon.Job("load").Attach(innocent).StartAsync(Stop);
        await log.ExecuteAsync("UPDATE omnipg_jobmon.run SET work_backend_start = work_backend_start - interval '1 h'");

        var working = log.RowsAsync(innocent, "SELECT count(*) FROM work");
        await WaitsAsync(log, innocent);
        var report = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        await log.RowsAsync(holder, "ROLLBACK");
        await working;

        report.Alerts.Should().ContainSingle().Which.AlertStatusText.Should().Be("FAILED_RUN");
        await job.CompleteAsync(cancellationToken: Stop);
    }

    [Fact]
    public async Task Closed_connection_is_refused_and_one_in_a_broken_transaction_is_taken_by_its_pid()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var job = await jobmon.StartAsync("load", cancellationToken: Stop);
        await using var closed = new NpgsqlConnection(log.ConnectionString);
        await using var broken = await log.DataSource.OpenConnectionAsync(Stop);
        await using var transaction = await broken.BeginTransactionAsync(Stop);
        await ((Func<Task>)(() => log.RowsAsync(broken, "SELECT 1/0"))).Should().ThrowAsync<PostgresException>();

        job.Invoking(j => j.Attach(closed)).Should().Throw<InvalidOperationException>().WithMessage("The work connection must be open.");
        job.Attach(broken);

        (await log.RowsAsync("SELECT work_pid, work_backend_start FROM omnipg_jobmon.run")).Should().Equal($"{broken.ProcessID}|~");
        await job.CompleteAsync(cancellationToken: Stop);
    }

    /// <summary>A rule that the job broke: only alerts that exist already become BLOCKED.</summary>
    private async Task<JobLogDatabase> WithFailuresOfAsync(string job)
    {
        var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.Admin.Rule(job).Warn("1 d").Error("2 d").ActivateAsync(Stop);
        await log.ExecuteAsync($"CREATE TABLE work (i int); INSERT INTO S.job_check_log (job_id, job_name, alert_code) VALUES (0, upper('{job}'), 3)");
        return log;
    }

    /// <summary>Waits until the worker waits; returns since when, as the server writes it.</summary>
    private static async Task<string> WaitsAsync(JobLogDatabase log, NpgsqlConnection worker)
    {
        var since = "";
        await Eventually.TrueAsync(
            async () => (since = await log.ScalarAsync<string>($"SELECT coalesce(max(waitstart)::text, '') FROM pg_locks WHERE pid = {worker.ProcessID} AND NOT granted")).Length > 0,
            "the worker waits", cancellationToken: Stop);
        return since;
    }
}
