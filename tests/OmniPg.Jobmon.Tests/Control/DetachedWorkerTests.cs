using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Control;

/// <summary>A backend is the run's only as long as the attached connection is open.</summary>
public sealed class DetachedWorkerTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Work_that_got_the_backend_after_the_run_is_not_cancelled_with_it()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        await using var pool = NpgsqlDataSource.Create(log.ConnectionString + ";Maximum Pool Size=1");
        await using var job = await jobmon.StartAsync("load", cancellationToken: Stop);
        await ControlSessionAsync(log);
        int backend;
        await using (var work = await pool.OpenConnectionAsync(Stop))
        {
            job.Attach(work);
            backend = work.ProcessID;
            (await log.RowsAsync("SELECT work_pid, pid FROM omnipg_jobmon.run JOIN S.job_log USING (job_id)")).Should().Equal($"{backend}|{backend}");
        }

        await using var innocent = await pool.OpenConnectionAsync(Stop);
        innocent.ProcessID.Should().Be(backend);
        var unrelated = log.RowsAsync(innocent, "SELECT 'survived' FROM pg_sleep(0.5)");
        (await jobmon.Admin.CancelAsync(job.JobId!.Value, cancellationToken: Stop)).Should().Be(CancelResult.Requested);

        (await unrelated).Should().Equal("survived");
        (await log.RowsAsync("SELECT r.work_pid, r.work_backend_start, l.pid = s.backend_pid FROM omnipg_jobmon.run r JOIN omnipg_jobmon.session s USING (session_id) JOIN S.job_log l USING (job_id)"))
            .Should().Equal("~|~|t");
        await Eventually.TrueAsync(() => job.CancellationToken.IsCancellationRequested, "the owner hears of it", cancellationToken: Stop);
    }

    [Fact]
    public async Task Closing_an_earlier_connection_leaves_the_one_that_replaced_it()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var job = await jobmon.StartAsync("load", cancellationToken: Stop);
        await using var second = await log.DataSource.OpenConnectionAsync(Stop);
        await using (var first = await log.DataSource.OpenConnectionAsync(Stop))
        {
            job.Attach(first);
            job.Attach(second);
        }

        (await log.RowsAsync("SELECT work_pid FROM omnipg_jobmon.run")).Should().Equal($"{second.ProcessID}");
        await job.CompleteAsync(cancellationToken: Stop);
        await second.CloseAsync();
        (await log.RowsAsync("SELECT work_pid IS NOT NULL FROM omnipg_jobmon.run")).Should().Equal("t");
    }

    [Fact]
    public async Task Run_of_a_dead_process_signals_only_the_backend_that_was_attached()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var innocent = await log.DataSource.OpenConnectionAsync(Stop);
        // What a process behind a pooler leaves: the pid of a backend that has served it once.
        await log.ExecuteAsync(
            $"""
             WITH s AS (INSERT INTO omnipg_jobmon.session (session_id, liveness, heartbeat_at) VALUES (gen_random_uuid(), 'heartbeat', now() - interval '1 day') RETURNING session_id),
                  j AS (INSERT INTO S.job_log (owner, job_name, start_time, pid) VALUES ('postgres', 'LOAD', now(), {innocent.ProcessID}) RETURNING job_id)
             INSERT INTO omnipg_jobmon.run (job_id, session_id) SELECT j.job_id, s.session_id FROM j, s
             """);
        var unrelated = log.RowsAsync(innocent, "SELECT 'survived' FROM pg_sleep(0.5)");

        var result = await log.Admin.CancelAsync(await log.ScalarAsync<long>("SELECT job_id FROM S.job_log"), cancellationToken: Stop);

        (await unrelated).Should().Equal("survived");
        result.Should().Be(CancelResult.MarkedCancelled);
    }

    private static Task ControlSessionAsync(JobLogDatabase log) => Eventually.TrueAsync(
        async () => await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.session WHERE liveness = 'lock'") == 1, "the control session listens", cancellationToken: Stop);
}
