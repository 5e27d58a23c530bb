using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Interop;

/// <summary>The client with everything it asks of a server, on each major.</summary>
public sealed class ServerMajorTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task Client_logs_locks_cancels_checks_and_watches(int major)
    {
        var installation = await PgInstallations.TryGetAsync(major, cancellationToken: Stop);
        Assert.SkipUnless(installation is not null, $"PostgreSQL {major} is not available");
        await using var cluster = await PgCluster.StartAsync(major, Stop);
        await using var log = await JobLogDatabase.CreateAsync(cluster, dblink: false);
        var lines = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { HeartbeatInterval = TimeSpan.FromMilliseconds(200) }, lines);
        await using var events = jobmon.Monitor.WatchAsync(Stop).GetAsyncEnumerator(Stop);
        var first = events.MoveNextAsync();
        await Eventually.TrueAsync(
            () => log.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND pid <> pg_backend_pid() AND state = 'idle')"),
            "the watcher has begun", cancellationToken: Stop);

        await jobmon.Admin.Rule("load").Warn("1 hour").Error("2 hours").MaxRuntime(TimeSpan.FromHours(1)).ActivateAsync(Stop);
        await using var work = await log.DataSource.OpenConnectionAsync(Stop);
        var job = await jobmon.Job("load").SingleInstance().StartAsync(Stop);
        job.Attach(work);
        await using (var step = await job.StepAsync("rows", Stop))
        {
            step.Report(5, 10);
            await job.FlushAsync(Stop);
            await step.CompleteAsync(cancellationToken: Stop);
        }

        var sleeping = job.SqlStepAsync("sleep", "SELECT pg_sleep(600)", work, cancellationToken: job.CancellationToken);
        await Eventually.TrueAsync(
            () => log.ScalarAsync<bool>($"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {work.ProcessID}"), "the worker sleeps", cancellationToken: Stop);
        var cancelled = await jobmon.Admin.CancelAsync(job.JobId!.Value, "enough", Stop);
        await sleeping.Awaiting(s => s).Should().ThrowAsync<Exception>();
        await job.DisposeAsync();
        var report = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);

        cancelled.Should().Be(CancelResult.BackendSignalled);
        job.State.Should().Be(JobState.Cancelled);
        report.Alerts.Should().ContainSingle().Which.AlertText.Should().Be("1 CRITICAL run(s)");
        (await first).Should().BeTrue();
        (events.Current.State, events.Current.Job.JobName).Should().Be((JobState.Running, "LOAD"));
        await using var again = await jobmon.Job("load").SingleInstance().StartAsync(Stop);
        again.Acquired.Should().BeTrue("the lock was given back");
        await again.CompleteAsync(cancellationToken: Stop);
        lines.Lines.Should().NotContain(l => l.Level >= Microsoft.Extensions.Logging.LogLevel.Error);
    }
}
