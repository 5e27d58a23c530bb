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
        var leaving = JobmonClient.Create(log.DataSource);
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
}
