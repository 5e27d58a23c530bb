using Npgsql;
using OmniPg.Jobmon.Tests.Faults;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Monitoring;

public sealed class WatchTests(PgClusterFixture server)
{
    [Fact]
    public async Task Events_come_in_order_and_none_is_lost_when_the_connection_breaks()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("SELECT S.add_job('before')");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var seen = new List<string>();
        var watching = Task.Run(async () =>
        {
            await foreach (var e in log.Monitor.WatchAsync(stop.Token))
            {
                lock (seen)
                    seen.Add($"{e.State} {e.Job.JobName}");
            }
        }, TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(() => log.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND pid <> pg_backend_pid() AND state = 'idle')"),
            "the watcher has begun", cancellationToken: TestContext.Current.CancellationToken);

        await log.ExecuteAsync("SELECT S.add_job('one'), pg_notify('omnipg_jobmon', 'start:2')");
        await log.ExecuteAsync("SELECT S.close_job(2)");
        await log.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
        await log.ExecuteAsync("SELECT S.fail_job(S.add_job('two'))");
        await log.ExecuteAsync("SELECT S.close_job(1)");
        await Eventually.TrueAsync(() => { lock (seen) return seen.Count >= 5; }, "five events", cancellationToken: TestContext.Current.CancellationToken);
        await stop.CancelAsync();

        var act = () => watching.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        await act.Should().ThrowAsync<OperationCanceledException>();
        seen.Should().Equal("Running ONE", "Completed ONE", "Running TWO", "Failed TWO", "Completed BEFORE");
    }

    [Fact]
    public async Task What_was_read_arrives_and_the_watch_goes_on_when_the_connection_breaks_at_the_commit()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var proxy = new CuttingProxy(server.Cluster.Port);
        await using var dataSource = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Host = "127.0.0.1", Port = proxy.Port, SslMode = SslMode.Disable, GssEncryptionMode = GssEncryptionMode.Disable }.ConnectionString);
        var monitor = new JobMonitor(JobLogDatabase.AccessAs(dataSource), TimeSpan.FromSeconds(60), TimeProvider.System);
        await using var events = monitor.WatchAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        var first = events.MoveNextAsync();
        await Eventually.TrueAsync(() => log.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND pid <> pg_backend_pid() AND state = 'idle')"),
            "the watcher has begun", cancellationToken: TestContext.Current.CancellationToken);
        proxy.CutAnswerTo("COMMIT");

        await log.ExecuteAsync("SELECT S.add_job('one'), pg_notify('omnipg_jobmon', 'start:1')");
        (await first.AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken)).Should().BeTrue();
        $"{events.Current.State} {events.Current.Job.JobName}".Should().Be("Running ONE");
        var second = events.MoveNextAsync();
        await log.ExecuteAsync("SELECT S.close_job(1)");
        (await second.AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken)).Should().BeTrue();

        $"{events.Current.State} {events.Current.Job.JobName}".Should().Be("Completed ONE");
        proxy.Cuts.Should().BeGreaterThan(0);
    }
}
