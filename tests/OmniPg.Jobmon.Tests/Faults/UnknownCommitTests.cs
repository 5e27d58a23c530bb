using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>A write that the server has committed although the client saw its connection end: it must not be there twice.</summary>
public sealed class UnknownCommitTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true, ErrorPolicy.Throw)]
    [InlineData(true, ErrorPolicy.LogAndContinue)]
    [InlineData(false, ErrorPolicy.Throw)]
    public async Task Every_write_is_there_once(bool sideTables, ErrorPolicy policy)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        if (!sideTables)
            await log.ExecuteAsync("DROP SCHEMA omnipg_jobmon CASCADE");
        await using var proxy = new CuttingProxy(server.Cluster.Port);
        var through = new NpgsqlConnectionStringBuilder(log.ConnectionString) { Host = "127.0.0.1", Port = proxy.Port, SslMode = SslMode.Disable, GssEncryptionMode = GssEncryptionMode.Disable };
        await using var source = NpgsqlDataSource.Create(through.ConnectionString);
        // Heartbeats far apart: from here on only the writer asks the server something.
        await using var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = policy, HeartbeatInterval = TimeSpan.FromMinutes(10), DeadAfter = TimeSpan.FromMinutes(30) });
        await jobmon.Job("before").SingleInstance().Start().CompleteAsync(cancellationToken: Stop);
        await Eventually.TrueAsync(
            () => log.ScalarAsync<bool>("SELECT bool_and(state = 'idle') FROM pg_stat_activity WHERE application_name = 'OmniPg.Jobmon' AND datname = current_database()"), "all is quiet", cancellationToken: Stop);

        proxy.CutNextAnswer();
        var job = await jobmon.StartAsync("cut", cancellationToken: Stop);
        proxy.CutNextAnswer();
        var step = job.Step("load");
        proxy.CutNextAnswer();
        var nested = await step.StepAsync("part", Stop);
        proxy.CutNextAnswer();
        await nested.CompleteAsync("done", cancellationToken: Stop);
        proxy.CutNextAnswer();
        step.Complete("done");
        proxy.CutNextAnswer();
        await job.FailAsync("reason", cancellationToken: Stop);

        proxy.Cuts.Should().Be(6);
        job.State.Should().Be(JobState.Failed);
        (await log.RowsAsync("SELECT status FROM S.job_log WHERE job_name = 'CUT'")).Should().Equal("CRITICAL");
        (await log.RowsAsync("SELECT action, d.status, message FROM S.job_detail d JOIN S.job_log l USING (job_id) WHERE job_name = 'CUT' ORDER BY step_id"))
            .Should().Equal("load|OK|done", "part|OK|done", "EXCEPTION after last step logged|CRITICAL|reason");
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_check_log")).Should().Be(1);
        if (sideTables)
            (await log.RowsAsync("SELECT (SELECT count(*) FROM omnipg_jobmon.run), (SELECT count(*) FROM omnipg_jobmon.step)")).Should().Equal("2|2");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Write_that_was_committed_behind_the_limit_is_there_once(bool sideTables)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        if (!sideTables)
            await log.ExecuteAsync("DROP SCHEMA omnipg_jobmon CASCADE");
        await using var proxy = new CuttingProxy(server.Cluster.Port);
        var through = new NpgsqlConnectionStringBuilder(log.ConnectionString) { Host = "127.0.0.1", Port = proxy.Port, SslMode = SslMode.Disable, GssEncryptionMode = GssEncryptionMode.Disable };
        await using var source = NpgsqlDataSource.Create(through.ConnectionString);
        var options = new JobmonOptions { CommandTimeout = TimeSpan.FromSeconds(5), HeartbeatInterval = TimeSpan.FromMinutes(10), DeadAfter = TimeSpan.FromMinutes(30) };
        await using var jobmon = new JobmonClient(source, options);
        await jobmon.Job("before").SingleInstance().Start().CompleteAsync(cancellationToken: Stop);
        await Eventually.TrueAsync(
            () => log.ScalarAsync<bool>("SELECT bool_and(state = 'idle') FROM pg_stat_activity WHERE application_name = 'OmniPg.Jobmon' AND datname = current_database()"), "all is quiet", cancellationToken: Stop);

        proxy.SwallowNextAnswer();
        var job = await jobmon.StartAsync("slow", cancellationToken: Stop);
        await Eventually.TrueAsync(() => job.JobId is not null, "the start is written again", cancellationToken: Stop);
        await job.CompleteAsync(cancellationToken: Stop);

        proxy.Cuts.Should().Be(1);
        (await log.RowsAsync("SELECT job_name, status FROM S.job_log ORDER BY job_id")).Should().Equal("BEFORE|OK", "SLOW|OK");
    }
}
