using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

public sealed class ServerFaultTests : IAsyncLifetime
{
    private PgCluster _cluster = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _cluster = await PgCluster.StartAsync(cancellationToken: Cancellation);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Job_survives_a_restart_of_the_server_and_is_recorded_once()
    {
        await using var log = await JobLogDatabase.CreateAsync(_cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { HeartbeatInterval = TimeSpan.FromMilliseconds(300) });

        var job = jobmon.Job("through the restart").SingleInstance().Start();
        using (var before = job.Step("before"))
            before.Complete("done");
        var during = job.Step("during");
        await _cluster.RestartAsync(Cancellation);
        log.DataSource.Clear();
        during.Complete("done");
        using (var after = job.Step("after"))
            after.Complete("done");
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") == 3,
            "session lock and both single-instance locks are taken again", cancellationToken: Cancellation);
        job.Complete();
        job.Dispose();
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE end_time IS NOT NULL") == 1, "the end is written", cancellationToken: Cancellation);

        (await log.RowsAsync("SELECT job_name, status FROM S.job_log")).Should().Equal("THROUGH THE RESTART|OK");
        (await log.RowsAsync("SELECT action, status, replace(message, ' (recorded late)', '') FROM S.job_detail ORDER BY step_id"))
            .Should().Equal("before|OK|done", "during|OK|done", "after|OK|done");
    }

    [Fact]
    public async Task Complete_survives_the_end_of_its_own_backend()
    {
        await using var log = await JobLogDatabase.CreateAsync(_cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        var job = jobmon.Start("terminated");

        await using var blocker = await log.DataSource.OpenConnectionAsync(Cancellation);
        await using var transaction = await blocker.BeginTransactionAsync(Cancellation);
        await new NpgsqlCommand($"LOCK TABLE {log.Schema}.job_log IN SHARE MODE", blocker).ExecuteNonQueryAsync(Cancellation);
        var completing = Task.Run(() => job.Complete(), Cancellation);
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'OmniPg.Jobmon' AND wait_event_type = 'Lock'") == 1,
            "the writer waits for the table and is terminated", cancellationToken: Cancellation);
        await transaction.RollbackAsync(Cancellation);
        await completing;

        job.State.Should().Be(JobState.Completed);
        (await log.RowsAsync("SELECT job_name, status FROM S.job_log")).Should().Equal("TERMINATED|OK");
    }

    [Fact]
    public async Task Work_goes_on_while_the_server_is_down_and_is_recorded_late_with_its_true_times()
    {
        await using var log = await JobLogDatabase.CreateAsync(_cluster, dblink: false);
        var lines = new FakeLoggerFactory();
        await using var jobmon = new JobmonClient(log.DataSource, loggerFactory: lines);
        var before = await log.ScalarAsync<DateTime>("SELECT clock_timestamp()");
        await _cluster.StopAsync(cancellationToken: Cancellation);

        var job = await jobmon.StartAsync("offline", cancellationToken: Cancellation);
        job.JobId.Should().BeNull();
        await using (var step = await job.StepAsync("work", Cancellation))
            await step.CompleteAsync("done", cancellationToken: Cancellation);
        await job.CompleteAsync(cancellationToken: Cancellation);
        await job.DisposeAsync();
        var stopwatch = System.Diagnostics.Stopwatch.StartNew();
        await Eventually.TrueAsync(() => stopwatch.Elapsed > TimeSpan.FromSeconds(1), "some time passes", cancellationToken: Cancellation);
        await _cluster.StartAgainAsync(cancellationToken: Cancellation);
        log.DataSource.Clear();

        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE end_time IS NOT NULL") == 1, "the job is replayed", cancellationToken: Cancellation);
        (await log.RowsAsync("SELECT job_name, status FROM S.job_log")).Should().Equal("OFFLINE|OK");
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail")).Should().Equal("work|OK|done (recorded late)");
        (await log.RowsAsync("SELECT tags FROM omnipg_jobmon.run")).Should().Equal("{recorded-late}");
        var started = await log.ScalarAsync<DateTime>("SELECT start_time FROM S.job_log");
        var ended = await log.ScalarAsync<DateTime>("SELECT end_time FROM S.job_log");
        started.Should().BeAfter(before).And.BeOnOrBefore(ended);
        (await log.ScalarAsync<bool>("SELECT pg_postmaster_start_time() > end_time FROM S.job_log")).Should().BeTrue("the events happened while the server was down");
        lines.Lines.Should().ContainSingle(l => l.Level == LogLevel.Error, "one line per cause and minute");
    }

    [Fact]
    public async Task Throw_policy_reports_a_server_that_is_down()
    {
        await using var log = await JobLogDatabase.CreateAsync(_cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await _cluster.StopAsync(cancellationToken: Cancellation);

        var error = jobmon.Invoking(j => j.Start("offline")).Should().Throw<JobmonUnavailableException>().Which;

        error.Code.Should().Be("jobmon.unavailable");
        error.Operation.Should().Be("job start");
        error.IsTransient.Should().BeTrue();
        await _cluster.StartAgainAsync(cancellationToken: Cancellation);
        log.DataSource.Clear();
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log")).Should().Be(0);
    }

    [Theory]
    [InlineData("ALTER TABLE S.job_detail RENAME TO gone", "ALTER TABLE S.gone RENAME TO job_detail")]
    [InlineData("ALTER SEQUENCE S.job_detail_step_id_seq RENAME TO gone", "ALTER SEQUENCE S.gone RENAME TO job_detail_step_id_seq")]
    public async Task Work_goes_on_when_the_server_refuses_the_log(string fault, string repair)
    {
        await using var log = await JobLogDatabase.CreateAsync(_cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);

        using (var job = jobmon.Start("refused"))
        {
            await log.ExecuteAsync(fault);
            using (var step = job.Step("work"))
                step.Complete("done");
            await log.ExecuteAsync(repair);
            job.Complete();
        }

        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE status = 'OK'") == 1, "the end is written", cancellationToken: Cancellation);
        (await log.RowsAsync("SELECT action, status, replace(message, ' (recorded late)', '') FROM S.job_detail")).Should().Equal("work|OK|done");
    }

    [Fact]
    public async Task Missing_log_is_named_under_Throw_and_found_later_otherwise()
    {
        await using var empty = await _cluster.CreateDatabaseAsync(cancellationToken: Cancellation);
        await using var strict = new JobmonClient(empty.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var patient = new JobmonClient(empty.DataSource);

        strict.Invoking(j => j.Start("x")).Should().Throw<JobmonNotInstalledException>().Which.Database.Should().Be(empty.Name);
        patient.Start("early").Complete();
        await new JobmonInstaller(new JobmonDatabase(empty.DataSource, null, PgIdentifier.Create("omnipg_jobmon"), TimeSpan.FromSeconds(30)))
            .InstallAsync(new InstallOptions(), Cancellation);

        await Eventually.TrueAsync(
            async () => await empty.ScalarAsync<long>("SELECT count(*) FROM jobmon.job_log WHERE job_name = 'EARLY' AND status = 'OK'", Cancellation) == 1,
            "the job is written after the installation", cancellationToken: Cancellation);
    }
}
