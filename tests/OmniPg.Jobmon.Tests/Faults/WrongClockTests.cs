using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>The wall clock of the client is decades off and jumps; what is recorded is the server's time.</summary>
public sealed class WrongClockTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Recorded_times_are_those_of_the_server(bool late)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("CREATE TABLE began AS SELECT clock_timestamp() AS at");
        var clock = new JumpingClock();
        await using var jobmon = new JobmonClient(log.DataSource, timeProvider: clock);
        jobmon.Start("opens the connections").Complete();
        if (late)
            await log.ExecuteAsync("ALTER TABLE S.job_log RENAME TO gone");

        var job = jobmon.Start("wrong clock");
        clock.Wall = new DateTimeOffset(2055, 1, 1, 0, 0, 0, TimeSpan.Zero);
        using (var step = job.Step("work"))
            step.Complete();
        clock.Wall = new DateTimeOffset(1971, 1, 1, 0, 0, 0, TimeSpan.Zero);
        job.Complete();
        if (late)
            await log.ExecuteAsync("ALTER TABLE S.gone RENAME TO job_log");

        await Eventually.TrueAsync(
            () => log.ScalarAsync<bool>("SELECT count(*) = 2 AND bool_and(end_time IS NOT NULL) FROM S.job_log"), "both ends are written", cancellationToken: Stop);
        (await log.RowsAsync(
            "SELECT job_name, start_time BETWEEN (SELECT at FROM began) AND clock_timestamp(), end_time BETWEEN start_time AND clock_timestamp() FROM S.job_log ORDER BY job_id"))
            .Should().Equal("OPENS THE CONNECTIONS|t|t", "WRONG CLOCK|t|t");
        (await log.RowsAsync("SELECT start_time BETWEEN (SELECT at FROM began) AND clock_timestamp(), end_time >= start_time, elapsed_time >= 0 FROM S.job_detail"))
            .Should().Equal("t|t|t");
    }

    private sealed class JumpingClock : TimeProvider
    {
        public DateTimeOffset Wall { get; set; } = new(1970, 1, 2, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Wall;
    }
}
