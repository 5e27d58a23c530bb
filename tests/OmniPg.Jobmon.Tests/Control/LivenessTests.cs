using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Control;

public sealed class LivenessTests(PgClusterFixture server)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Control_session_holds_its_lock_and_leaves_nothing_behind()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using (var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ClientName = "etl", HeartbeatInterval = TimeSpan.FromMilliseconds(100) }))
        {
            using var job = jobmon.Start("alive");
            // The session is registered by the first write already; it has its lock by the first heartbeat behind that.
            await Eventually.TrueAsync(
                async () => await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.session WHERE liveness = 'lock'") == 1, "the session is one with a lock", cancellationToken: Cancellation);
            var held = await log.ScalarAsync<DateTime>("SELECT heartbeat_at FROM omnipg_jobmon.session");
            await Eventually.TrueAsync(
                async () => await log.ScalarAsync<DateTime>("SELECT heartbeat_at FROM omnipg_jobmon.session") > held, "heartbeats arrive", cancellationToken: Cancellation);
            (await log.RowsAsync(
                """
                SELECT s.client_name, s.liveness, s.os_pid, s.ended_at IS NULL, omnipg_jobmon.session_is_live(s.session_id), l.pid = s.backend_pid, s.session_id = r.session_id
                FROM omnipg_jobmon.run r, omnipg_jobmon.session s
                JOIN pg_locks l ON l.objid = (s.lock_key::bigint & 4294967295)::oid AND l.classid = (hashtext('omnipg_jobmon')::bigint & 4294967295)::oid
                """)).Should().Equal($"etl|lock|{Environment.ProcessId}|t|t|t|t");
            job.Complete();
        }

        (await log.RowsAsync("SELECT ended_at IS NOT NULL FROM omnipg_jobmon.session")).Should().Equal("t");
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'OmniPg.Jobmon' AND datname = current_database()") == 0,
            "the own connections are closed", cancellationToken: Cancellation);
    }

    [Fact]
    public async Task Heartbeats_do_not_need_the_thread_pool()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        using var worker = await Faults.WorkerProcess.StartAsync("starve", log.ConnectionString, "starving");
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM omnipg_jobmon.session WHERE liveness = 'lock'") == 1, "the worker holds its session lock", cancellationToken: Cancellation);
        var first = await log.ScalarAsync<DateTime>("SELECT heartbeat_at FROM omnipg_jobmon.session");

        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<DateTime>("SELECT heartbeat_at FROM omnipg_jobmon.session") > first.AddSeconds(1), "heartbeats go on", cancellationToken: Cancellation);
    }

    [Fact]
    public async Task Heartbeat_mode_relies_on_no_session_state()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var builder = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(log.ConnectionString) { NoResetOnClose = false, MaxPoolSize = 2 }.ConnectionString);
        await using var pooler = builder.Build();
        var options = new JobmonOptions { Liveness = LivenessMode.Heartbeat, WriterDataSource = pooler, HeartbeatInterval = TimeSpan.FromMilliseconds(100) };
        await using var jobmon = new JobmonClient(log.DataSource, options);

        using (var job = jobmon.Start("behind a pooler"))
        {
            for (var i = 0; i < 5; i++)
            {
                await using (var between = await pooler.OpenConnectionAsync(Cancellation))
                    await new NpgsqlCommand("DISCARD ALL", between).ExecuteNonQueryAsync(Cancellation);
                using var step = job.Step($"step {i}");
                step.Complete();
            }

            await Eventually.TrueAsync(
                async () => await log.ScalarAsync<bool>("SELECT coalesce(bool_or(heartbeat_at > started_at), false) FROM omnipg_jobmon.session"), "heartbeats arrive", cancellationToken: Cancellation);
            job.Complete();
        }

        (await log.RowsAsync("SELECT l.status, count(*) FROM S.job_log l JOIN S.job_detail d USING (job_id) WHERE d.status = 'OK' GROUP BY 1")).Should().Equal("OK|5");
        (await log.RowsAsync("SELECT liveness, lock_key IS NULL FROM omnipg_jobmon.session")).Should().Equal("heartbeat|t");
        jobmon.Invoking(j => j.Job("one").SingleInstance().Start()).Should().Throw<JobmonUnavailableException>().WithMessage("*pooler*");
    }

    [Fact]
    public async Task Idle_job_sends_one_statement_per_heartbeat()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var lines = new FakeLoggerFactory();
        var builder = new NpgsqlDataSourceBuilder(log.ConnectionString);
        builder.UseLoggerFactory(lines);
        await using var spied = builder.Build();
        await using var jobmon = new JobmonClient(
            log.DataSource, new JobmonOptions { WriterDataSource = spied, HeartbeatInterval = TimeSpan.FromMilliseconds(200) });
        using var job = jobmon.Start("idle");
        Microsoft.Extensions.Logging.Testing.FakeLogRecord[] Executed() => [.. lines.Lines.Where(l => l.Id.Name is "CommandExecutionCompleted" or "BatchExecutionCompleted")];
        static bool IsBeat(Microsoft.Extensions.Logging.Testing.FakeLogRecord line) => line.Message.Contains("heartbeat_at = clock_timestamp() WHERE", StringComparison.Ordinal);
        await Eventually.TrueAsync(
            () => Executed().Any(IsBeat) && Executed().Any(l => l.Message.Contains("reap_dead_jobs", StringComparison.Ordinal)),
            "the first heartbeat, and the look at dead runs after the start", cancellationToken: Cancellation);

        var before = Executed().Length;
        await Eventually.TrueAsync(() => Executed().Length >= before + 5, "five more statements", cancellationToken: Cancellation);

        Executed().Skip(before).Where(l => !IsBeat(l)).Should().BeEmpty();
        job.Complete();
    }
}
