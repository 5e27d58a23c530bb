using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>A primary and a streaming standby: checks on the standby, and a failover while jobs run.</summary>
public sealed class StandbyTests : IAsyncLifetime
{
    private readonly TemporaryDirectory _directory = new(forServer: true);
    private PgCluster _primary = null!;
    private PgCluster _standby = null!;
    private JobLogDatabase _log = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _primary = await PgCluster.StartAsync(new PgClusterOptions { Settings = Replica() }, Stop);
        _log = await JobLogDatabase.CreateAsync(_primary, dblink: false);
        ServerAccount.Own(_directory.Path);
        var copy = _directory.Combine("standby");
        (await _primary.RunProgramAsync(
            "pg_basebackup", "-h", "127.0.0.1", "-p", $"{_primary.Port}", "-U", "postgres", "-D", copy, "-c", "fast", "-X", "stream", "-R", "--no-sync")).MustSucceed();
        _standby = await PgCluster.StartAsync(new PgClusterOptions { Settings = Replica(), ExistingDataDirectory = copy }, Stop);
    }

    public async ValueTask DisposeAsync()
    {
        await _log.DisposeAsync();
        await _standby.DisposeAsync();
        await _primary.DisposeAsync();
        _directory.Dispose();
    }

    [Fact]
    public async Task Check_on_the_standby_says_what_it_cannot_know()
    {
        await _log.ExecuteAsync("INSERT INTO S.job_check_config VALUES ('OPEN', '1 second', '1 day', true)");
        await _log.ExecuteAsync("INSERT INTO S.job_log (job_id, owner, job_name, start_time, pid) VALUES (1000, current_user, 'OPEN', now() - interval '1 hour', 1)");
        await _log.ExecuteAsync("SELECT S.fail_job(S.add_job('open'))");
        await CaughtUpAsync();
        await using var jobmon = new JobmonClient(NpgsqlDataSource.Create(_standby.GetConnectionString(_log.Name)));

        var report = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        var there = await _log.Monitor.CheckAsync(cancellationToken: Stop);

        report.OnStandby.Should().BeTrue();
        report.ToNagios().Output.Should().Contain(";; answered by a standby, where nobody is seen to run, wait or be dead)|");
        there.ToNagios().Output.Should().NotContain("standby");
        report.Alerts.Should().NotContain(a => a.Status == JobAlertStatus.Died || a.Status == JobAlertStatus.Blocked);
        there.Alerts.Should().Contain(a => a.Status == JobAlertStatus.Died);
        report.Alerts.Select(a => $"{a.Level} {a.AlertStatusText} {a.JobName} {a.AlertText}")
            .Should().ContainSingle().Which.Should().StartWith("CRITICAL UNKNOWN OPEN Whether it runs cannot be seen on a standby. Last completed run: ");
    }

    [Fact]
    public async Task Standby_is_unavailable_until_it_is_promoted_and_then_takes_what_was_kept()
    {
        await CaughtUpAsync();
        await using var source = NpgsqlDataSource.Create(_standby.GetConnectionString(_log.Name));
        await using var strict = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await using var patient = new JobmonClient(source);

        await strict.Awaiting(j => j.StartAsync("told", cancellationToken: Stop).AsTask()).Should().ThrowAsync<JobmonUnavailableException>().WithMessage("*read-only transaction*");
        await using (var job = await patient.StartAsync("kept", cancellationToken: Stop))
        {
            await using (var step = await job.StepAsync("work", Stop))
                await step.CompleteAsync("done", cancellationToken: Stop);
            await job.CompleteAsync(cancellationToken: Stop);
        }

        await _standby.ExecuteAsync("SELECT pg_promote()", Stop);

        await Eventually.TrueAsync(async () => (await RowsOnStandbyAsync()) is ["KEPT OK"], "the run is written after the promotion", cancellationToken: Stop);
    }

    [Fact]
    public async Task Job_goes_on_at_the_new_primary_after_a_failover()
    {
        await CaughtUpAsync();
        // The standby first: the log must look for the server that takes writes, whatever the caller's string says.
        var both = new NpgsqlConnectionStringBuilder(_standby.GetConnectionString(_log.Name))
        {
            Host = $"127.0.0.1:{_standby.Port},127.0.0.1:{_primary.Port}",
        };
        await using var source = new NpgsqlDataSourceBuilder(both.ConnectionString).BuildMultiHost();
        await using var jobmon = new JobmonClient(source, new JobmonOptions { HeartbeatInterval = TimeSpan.FromMilliseconds(300) });

        var job = await jobmon.StartAsync("through the failover", cancellationToken: Stop);
        job.JobId.Should().NotBeNull();
        await using (var before = await job.StepAsync("before", Stop))
            await before.CompleteAsync("done", cancellationToken: Stop);
        await CaughtUpAsync();
        await _primary.StopAsync(PgShutdown.Immediate, Stop);
        await using (var during = await job.StepAsync("during", Stop))
            await during.CompleteAsync("done", cancellationToken: Stop);
        await _standby.ExecuteAsync("SELECT pg_promote()", Stop);
        await job.CompleteAsync(cancellationToken: Stop);
        await job.DisposeAsync();

        await Eventually.TrueAsync(
            async () => (await RowsOnStandbyAsync()) is ["THROUGH THE FAILOVER OK"], "the end is written on the new primary", TimeSpan.FromSeconds(60), Stop);
        await using var there = NpgsqlDataSource.Create(_standby.GetConnectionString(_log.Name));
        await using var command = there.CreateCommand("SELECT string_agg(action || ' ' || status || ' ' || message, ',' ORDER BY step_id) FROM jobmon.job_detail");
        (await command.ExecuteScalarAsync(Stop)).Should().Be("before OK done,during OK done (recorded late)");
    }

    private static Dictionary<string, string> Replica() => new()
    {
        ["wal_level"] = "replica",
        ["max_wal_senders"] = "4",
        ["hot_standby"] = "on",
        // A commit that was confirmed before its flush is lost with the primary, and with it the row that the job goes on with.
        ["synchronous_commit"] = "on",
    };

    private async Task CaughtUpAsync()
    {
        var position = await _primary.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text", Stop);
        await Eventually.TrueAsync(
            () => _standby.ScalarAsync<bool>($"SELECT coalesce(pg_last_wal_replay_lsn() >= '{position}'::pg_lsn, false)", Stop), "the standby has caught up", cancellationToken: Stop);
    }

    private async Task<string[]> RowsOnStandbyAsync()
    {
        await using var source = NpgsqlDataSource.Create(_standby.GetConnectionString(_log.Name));
        await using var command = source.CreateCommand("SELECT coalesce(array_agg(job_name || ' ' || coalesce(status, '')), '{}') FROM jobmon.job_log");
        return (string[])(await command.ExecuteScalarAsync(Stop))!;
    }
}
