using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Control;

public sealed class DisposedClientTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Open_runs_end_as_failed_and_their_locks_are_free_when_the_client_is_gone(bool async)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var leaving = new JobmonClient(log.DataSource);
        var open = new List<IJob>();
        foreach (var name in new[] { "a", "b", "c" })
            open.Add(await leaving.Job(name).SingleInstance().StartAsync(Stop));

        if (async)
            await leaving.DisposeAsync();
        else
            leaving.Dispose();

        open.ConvertAll(j => j.State).Should().Equal(JobState.Failed, JobState.Failed, JobState.Failed);
        (await log.RowsAsync("SELECT job_name, status FROM S.job_log ORDER BY job_id")).Should().Equal("A|CRITICAL", "B|CRITICAL", "C|CRITICAL");
        (await log.RowsAsync("SELECT DISTINCT message FROM S.job_detail")).Should().Equal("JobmonClient was disposed while the job was running");
        (await log.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))
            .Should().Be(0);
        open[0].Invoking(j => j.Step("late")).Should().Throw<InvalidOperationException>();
        leaving.Invoking(c => c.Start("late")).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public async Task Run_that_waits_for_its_lock_never_begins_when_the_client_is_gone()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var here = new JobmonClient(log.DataSource);
        var leaving = new JobmonClient(log.DataSource);
        using var meter = new MeterRecorder("OmniPg.Jobmon");
        var name = $"waits {Guid.NewGuid()}";
        await using var first = await here.Job(name).SingleInstance().StartAsync(Stop);
        var began = false;
        var waiting = leaving.Job(name).SingleInstance(TimeSpan.FromMinutes(2)).RunAsync(
            (_, _) =>
            {
                began = true;
                return Task.CompletedTask;
            },
            Stop);

        await leaving.DisposeAsync();
        await first.CompleteAsync(cancellationToken: Stop);

        await waiting.Awaiting(w => w.WaitAsync(TimeSpan.FromSeconds(30), Stop)).Should().ThrowAsync<ObjectDisposedException>();
        began.Should().BeFalse();
        (await log.RowsAsync("SELECT status FROM S.job_log")).Should().Equal("OK");
        var mine = meter.All.Where(m => m.Tags.TryGetValue("omnipg.job.name", out var tag) && (string?)tag == name).ToList();
        mine.Where(m => m.Instrument == "omnipg.job.active").Sum(m => m.Value).Should().Be(0);
        mine.Where(m => m.Instrument == "omnipg.job.completed").Select(m => m.Tags["status"]).Should().BeEquivalentTo(["NOT STARTED", "OK"]);
    }

    [Fact]
    public async Task Dispose_that_finds_the_run_ended_meanwhile_does_not_throw()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        var job = await jobmon.StartAsync("raced", cancellationToken: Stop);
        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        await using var transaction = await holder.BeginTransactionAsync(Stop);
        await new NpgsqlCommand("SELECT FROM omnipg_jobmon.run FOR UPDATE", holder).ExecuteNonQueryAsync(Stop);
        try
        {
            throw new PostgresException("canceling statement due to user request", "ERROR", "ERROR", PostgresErrorCodes.QueryCanceled);
        }
        catch (PostgresException)
        {
            // Makes the dispose ask whether somebody cancelled the run, which takes it until the row is free.
        }

        var disposing = job.DisposeAsync().AsTask();
        var completing = ((JobRun)job).AbandonAsync(async: true).AsTask();
        await transaction.RollbackAsync(Stop);

        await completing;
        await disposing.Awaiting(d => d).Should().NotThrowAsync();
        job.State.Should().Be(JobState.Failed);
        (await log.RowsAsync("SELECT DISTINCT message FROM S.job_detail")).Should().Equal("JobmonClient was disposed while the job was running");
    }
}
