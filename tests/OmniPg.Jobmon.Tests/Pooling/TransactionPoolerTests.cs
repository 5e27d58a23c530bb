using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Pooling;

/// <summary>The log through a real PgBouncer whose backends belong to others as well.</summary>
public sealed class TransactionPoolerTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("transaction")]
    [InlineData("session")]
    public async Task Many_clients_with_default_options_lose_nothing_and_disturb_nobody(string mode)
    {
        const int clients = 4, runs = 12;
        // A client of session pooling keeps its backend: each of them needs three.
        await using var pool = await PooledBackends.StartAsync(server.Cluster, mode, mode == "session" ? 16 : 2);
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var neighbour = WatchAsync(pool, watching.Token);
        var troubles = new FakeLoggerFactory();

        await Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(() => WorkAsync(pool, client, runs, troubles), Stop)));
        await watching.CancelAsync();

        (await neighbour).Should().BePositive();
        troubles.Lines.Where(line => line.Level >= Microsoft.Extensions.Logging.LogLevel.Warning).Select(line => line.Message).Should().BeEmpty();
        (await pool.Log.RowsAsync("SELECT status, count(*) FROM S.job_log GROUP BY 1 ORDER BY 1")).Should().Equal($"CRITICAL|{clients * runs / 4}", $"OK|{clients * runs * 3 / 4}");
        (await pool.Log.RowsAsync(
            "SELECT l.status, d.action, d.status, count(*) FROM S.job_log l JOIN S.job_detail d USING (job_id) GROUP BY 1, 2, 3 ORDER BY 1, 2")).Should().Equal(
            $"CRITICAL|load|CRITICAL|{clients * runs / 4}", $"CRITICAL|read|OK|{clients * runs / 4}",
            $"OK|load|OK|{clients * runs * 3 / 4}", $"OK|read|OK|{clients * runs * 3 / 4}");
        (await pool.Log.RowsAsync("SELECT DISTINCT liveness, lock_key IS NULL, ended_at IS NOT NULL FROM omnipg_jobmon.session")).Should().Equal("heartbeat|t|t");
        (await pool.Log.RowsAsync("SELECT DISTINCT alert_status FROM S.check_job_status()")).Should().NotContain("DIED");
        if (mode == "transaction")
            (await pool.LeftoversAsync()).Should().Equal("", "");
    }

    [Fact]
    public async Task History_monitor_and_administration_leave_nothing_in_the_pool()
    {
        await using var pool = await PooledBackends.StartAsync(server.Cluster);
        await using var source = NpgsqlDataSource.Create(pool.ConnectionString + ";No Reset On Close=true");
        await using var jobmon = new JobmonClient(source);

        await jobmon.Admin.InstallAsync(cancellationToken: Stop);
        await jobmon.RunAsync("load", (job, _) => Task.CompletedTask, cancellationToken: Stop);
        await jobmon.Admin.Rule("load").Warn("1 day").Error("2 days").ActivateAsync(Stop);
        await jobmon.Admin.ReapAsync(Stop);
        var report = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        using (var enough = CancellationTokenSource.CreateLinkedTokenSource(Stop))
        {
            // The watcher has begun once it tells of a start that came after it.
            var watching = FirstEventAsync(jobmon, enough.Token);
            await Eventually.TrueAsync(
                async () =>
                {
                    await jobmon.RunAsync("seen", (_, _) => Task.CompletedTask, cancellationToken: Stop);
                    return watching.IsCompleted;
                },
                "the watcher sees a run", cancellationToken: Stop);
            (await watching).Job.JobName.Should().Be("SEEN");
        }

        var purged = await jobmon.Admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.Zero, KeepPerJob = 100 }, cancellationToken: Stop);
        var left = new List<JobRecord>();
        await foreach (var record in jobmon.History.ListAsync(new JobQuery(), Stop))
            left.Add(record);

        report.Worst.Should().Be(AlertLevel.Ok);
        purged.DeletedJobs.Should().BePositive();
        left.Should().OnlyContain(record => record.EndTime != null);
        (await pool.LeftoversAsync()).Should().Equal("", "");
    }

    [Fact]
    public async Task A_watcher_behind_the_pooler_looks_every_two_seconds()
    {
        await using var pool = await PooledBackends.StartAsync(server.Cluster);
        await using var source = NpgsqlDataSource.Create(pool.ConnectionString + ";No Reset On Close=true");
        var clock = new WaitableTimeProvider();
        var monitor = new JobMonitor(JobLogDatabase.AccessAs(source), TimeSpan.FromSeconds(60), clock);
        await using var events = monitor.WatchAsync(Stop).GetAsyncEnumerator(Stop);
        var first = events.MoveNextAsync().AsTask();
        await Eventually.TrueAsync(() => clock.WaitingTimers == 1, "the watcher has looked once and waits", cancellationToken: Stop);

        await pool.Log.ExecuteAsync("SELECT S.add_job('one'), pg_notify('omnipg_jobmon', 'start:1')");
        clock.Advance(TimeSpan.FromMilliseconds(1999));
        var (waiting, early) = (clock.WaitingTimers, first.IsCompleted);
        clock.Advance(TimeSpan.FromMilliseconds(1));

        (await first.WaitAsync(TimeSpan.FromSeconds(30), Stop)).Should().BeTrue();
        events.Current.Job.JobName.Should().Be("ONE");
        (waiting, early).Should().Be((1, false));
    }

    [Fact]
    public async Task Texts_are_read_from_a_backend_that_a_reset_has_given_back_the_encoding_of_its_database()
    {
        await using var pool = await PooledBackends.StartAsync(server.Cluster, poolSize: 1);
        await pool.Log.ExecuteAsync($"SELECT S.close_job(S.add_job('caf\u00e9')); ALTER DATABASE \"{pool.Log.Name}\" SET client_encoding = 'LATIN1'");
        await using var source = NpgsqlDataSource.Create(pool.ConnectionString);
        await using var jobmon = new JobmonClient(source);

        // The first look opens the connection in UTF-8; the reset before the second one gives back what the database has set.
        for (var look = 1; look <= 3; look++)
        {
            await foreach (var run in jobmon.History.ListAsync(new JobQuery(), Stop))
                run.JobName.Should().BeOneOf(["CAF\u00e9", "CAF\u00c9"], "look {0}", look);
        }
    }

    [Fact]
    public async Task Cancel_through_the_pooler_reaches_the_owner_and_signals_no_backend()
    {
        await using var pool = await PooledBackends.StartAsync(server.Cluster, poolSize: 1);
        await using var source = NpgsqlDataSource.Create(pool.ConnectionString);
        var told = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(source, new JobmonOptions { HeartbeatInterval = TimeSpan.FromMilliseconds(100) }, told);
        await using var work = await source.OpenConnectionAsync(Stop);
        await using var job = await jobmon.StartAsync("load", cancellationToken: Stop);
        job.Attach(work);

        // The pool has one backend: whatever was recorded is the one that runs the cancellation.
        (await jobmon.Admin.CancelAsync(job.JobId!.Value, cancellationToken: Stop)).Should().Be(CancelResult.Requested);

        await Eventually.TrueAsync(() => job.CancellationToken.IsCancellationRequested, "the owner hears of it", cancellationToken: Stop);
        (await pool.Log.RowsAsync("SELECT work_pid, work_backend_start FROM omnipg_jobmon.run")).Should().Equal("~|~");
        told.Lines.Should().ContainSingle(line => line.Id == 3006).Which.Message.Should().Contain("load").And.Contain("pooler");
        await job.DisposeAsync();
        (await pool.Log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("CRITICAL");
    }

    [Fact]
    public async Task Limit_of_prepared_statements_that_the_user_set_is_respected()
    {
        await using var none = NpgsqlDataSource.Create(server.Cluster.ConnectionString + ";Max Auto Prepare=0");
        await using var usual = NpgsqlDataSource.Create(server.Cluster.ConnectionString);

        foreach (var (source, prepared) in new[] { (none, 0), (usual, 20) })
        {
            await using var own = new OwnConnections(source, new JobmonOptions(), new ServerClock(TimeProvider.System));
            new NpgsqlConnectionStringBuilder(own.DataSource.ConnectionString).MaxAutoPrepare.Should().Be(prepared);
        }
    }

    [Fact]
    public async Task Single_instance_is_refused_where_no_lock_lasts_and_granted_where_the_user_vouches_for_the_session()
    {
        await using var transaction = await PooledBackends.StartAsync(server.Cluster);
        await using var session = await PooledBackends.StartAsync(server.Cluster, "session", poolSize: 8);
        await using var first = NpgsqlDataSource.Create(transaction.ConnectionString);
        await using var second = NpgsqlDataSource.Create(session.ConnectionString);
        await using var refusing = new JobmonClient(first, Patient());
        await using var doubting = new JobmonClient(second, Patient());
        await using var granting = new JobmonClient(second, Patient(o => (o.Liveness, o.HeartbeatInterval) = (LivenessMode.Lock, TimeSpan.FromMilliseconds(100))));

        refusing.Invoking(j => j.Job("one").SingleInstance().Start()).Should().Throw<JobmonUnavailableException>().WithMessage("*pooler*");
        doubting.Invoking(j => j.Job("one").SingleInstance().Start()).Should().Throw<JobmonUnavailableException>().WithMessage("*pooler*");
        await using var one = await granting.Job("one").SingleInstance().StartAsync(Stop);
        await using var other = await granting.Job("one").SingleInstance().StartAsync(Stop);

        one.Acquired.Should().BeTrue();
        other.Acquired.Should().BeFalse();
        (await session.Log.RowsAsync("SELECT liveness, lock_key IS NOT NULL, omnipg_jobmon.session_is_live(session_id) FROM omnipg_jobmon.session WHERE liveness = 'lock'")).Should().Equal("lock|t|t");
        await one.CompleteAsync(cancellationToken: Stop);
    }

    [Fact]
    public async Task Statement_pooling_is_refused_as_trouble_of_the_log()
    {
        await using var pool = await PooledBackends.StartAsync(server.Cluster, "statement");
        await using var source = NpgsqlDataSource.Create(pool.ConnectionString);
        await using var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        jobmon.Invoking(j => j.Start("load")).Should().Throw<JobmonUnavailableException>();
        (await pool.Log.RowsAsync("SELECT count(*) FROM S.job_log")).Should().Equal("0");
    }

    [Theory]
    [InlineData("42P05")]
    [InlineData("26000")]
    public void Statement_prepared_on_another_backend_is_a_fault_of_the_connection(string state) =>
        WriteFailures.Classify(new PostgresException("no", "ERROR", "ERROR", state)).Should().Be(WriteFailure.Broken);

    private static async Task<JobEvent> FirstEventAsync(JobmonClient jobmon, CancellationToken stop)
    {
        await foreach (var e in jobmon.Monitor.WatchAsync(stop))
            return e;
        throw new InvalidOperationException("The watch ended by itself.");
    }

    private static async Task WorkAsync(PooledBackends pool, int client, int runs, FakeLoggerFactory troubles)
    {
        await using var source = NpgsqlDataSource.Create(pool.ConnectionString);
        await using var jobmon = new JobmonClient(source, Patient(), troubles);
        for (var run = 0; run < runs; run++)
        {
            await using var job = await jobmon.StartAsync($"client {client}", cancellationToken: Stop);
            var step = await job.StepAsync("read", Stop);
            await step.CompleteAsync(cancellationToken: Stop);
            step = await job.StepAsync("load", Stop);
            if (run % 4 == 3)
            {
                await job.FailAsync("expected", cancellationToken: Stop);
                continue;
            }

            await step.CompleteAsync(cancellationToken: Stop);
            await job.CompleteAsync(cancellationToken: Stop);
        }
    }

    /// <summary>Another application: its unqualified names, its limits and its schema stay what they were. Returns how often it looked.</summary>
    private static async Task<int> WatchAsync(PooledBackends pool, CancellationToken until)
    {
        var looks = 0;
        while (!until.IsCancellationRequested)
        {
            await using var shop = await pool.NeighbourAsync();
            (await pool.Log.RowsAsync(shop, "SELECT count(*), current_setting('search_path'), current_setting('statement_timeout'), current_setting('lock_timeout') FROM orders"))
                .Should().Equal("1|\"$user\", public|0|0");
            looks++;
        }

        return looks;
    }

    // What is asked of these clients is not how long they wait: few backends and a busy machine make many seconds of one statement.
    private static JobmonOptions Patient(Action<JobmonOptions>? more = null)
    {
        var options = new JobmonOptions { ConnectTimeout = TimeSpan.FromMinutes(1), CommandTimeout = TimeSpan.FromMinutes(1) };
        more?.Invoke(options);
        return options;
    }
}
