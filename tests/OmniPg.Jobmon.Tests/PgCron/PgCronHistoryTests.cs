namespace OmniPg.Jobmon.Tests.PgCron;

/// <summary>Runs of pg_cron among those of the log.</summary>
[Collection(nameof(PgCronCollection))]
public sealed class PgCronHistoryTests(PgCronFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runs_stand_among_those_of_the_log_by_their_starts()
    {
        await using var cron = await FilledAsync();

        (await NamesAsync(cron, new JobQuery())).Should().Equal("-3 PG_CRON: #2 ", "2 B OK", "-2 PG_CRON: NIGHTLY CRITICAL", "1 A CRITICAL", "-1 PG_CRON: NIGHTLY OK");
        (await NamesAsync(cron, new JobQuery { Limit = 2 })).Should().Equal("-3 PG_CRON: #2 ", "2 B OK");
        (await NamesAsync(cron, new JobQuery { Limit = null })).Should().HaveCount(5);
        (await NamesAsync(cron, new JobQuery { Limit = 0 })).Should().BeEmpty();
    }

    [Fact]
    public async Task Conditions_hold_for_both()
    {
        await using var cron = await FilledAsync();

        (await NamesAsync(cron, new JobQuery { Name = "pg_cron: nightly" })).Should().Equal("-2 PG_CRON: NIGHTLY CRITICAL", "-1 PG_CRON: NIGHTLY OK");
        (await NamesAsync(cron, new JobQuery { NameMatches = "^b$|night" })).Should().Equal("2 B OK", "-2 PG_CRON: NIGHTLY CRITICAL", "-1 PG_CRON: NIGHTLY OK");
        (await NamesAsync(cron, new JobQuery { Status = "CRITICAL" })).Should().Equal("-2 PG_CRON: NIGHTLY CRITICAL", "1 A CRITICAL");
        (await NamesAsync(cron, new JobQuery { Status = "OK" })).Should().Equal("2 B OK", "-1 PG_CRON: NIGHTLY OK");
        (await NamesAsync(cron, new JobQuery { Status = "succeeded" })).Should().BeEmpty();
        (await NamesAsync(cron, new JobQuery { Unfinished = true })).Should().Equal("-3 PG_CRON: #2 ");
        (await NamesAsync(cron, new JobQuery { Unfinished = false, Limit = 1 })).Should().Equal("2 B OK");
        (await NamesAsync(cron, new JobQuery { Since = DateTimeOffset.UtcNow.AddSeconds(-250) })).Should().Equal("-3 PG_CRON: #2 ", "2 B OK");
        (await NamesAsync(cron, new JobQuery { Before = DateTimeOffset.UtcNow.AddSeconds(-350) })).Should().Equal("1 A CRITICAL", "-1 PG_CRON: NIGHTLY OK");
        (await NamesAsync(cron, new JobQuery { Tag = "daily" })).Should().BeEmpty();
    }

    [Fact]
    public async Task A_run_carries_what_pg_cron_knows_of_it()
    {
        await using var cron = await FilledAsync();

        var run = await cron.History.ListAsync(new JobQuery { Name = "PG_CRON: NIGHTLY", Limit = 1 }, Stop).SingleAsync(Stop);

        run.PgCron.Should().Be(new PgCronRun { RunId = 2, JobId = 1, Command = "SELECT 1", Database = await cron.ScalarAsync<string>("SELECT current_database()::text"), Message = "ERROR:  no\nCONTEXT:  x" });
        run.Should().BeEquivalentTo(new { Owner = "postgres", Pid = 1, DisplayName = (string?)null, ClientName = (string?)null, Duration = TimeSpan.FromSeconds(1) });
        (await cron.History.StepsAsync(run.JobId, Stop).ToListAsync(Stop)).Should().BeEmpty();
        (await cron.Log.Admin.CancelAsync(run.JobId, cancellationToken: Stop)).Should().Be(CancelResult.NotFound);
    }

    [Fact]
    public async Task A_run_that_got_no_connection_has_begun_before_the_one_after_it()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server);
        var job = await cron.JobAsync("x", "0 0 31 2 *");
        await cron.ExecuteAsync($"INSERT INTO cron.job_run_details (jobid, status, return_message) VALUES ({job}, 'failed', 'connection failed')");
        await cron.RunAsync(job, "succeeded", 100, 99);

        var runs = await cron.History.ListAsync(new JobQuery(), Stop).ToListAsync(Stop);

        runs.Select(r => (r.JobId, r.Status)).Should().Equal((-2, "OK"), (-1, "CRITICAL"));
        runs[1].StartTime.Should().Be(runs[0].StartTime);
        runs[1].Pid.Should().Be(0);
    }

    [Fact]
    public async Task Running_lists_the_runs_whose_backend_is_there()
    {
        await using var cron = await PgCronDatabase.CreateAsync(server, scheduler: false);
        await using var worker = await cron.DataSource.OpenConnectionAsync(Stop);
        var (here, gone) = (await cron.JobAsync("here", "0 0 31 2 *"), await cron.JobAsync("gone", "0 0 31 2 *"));
        await cron.RunAsync(here, "running", 0, null, pid: worker.ProcessID);
        await cron.RunAsync(gone, "running", 0, null, pid: 999_999);

        var running = await cron.History.RunningAsync(cancellationToken: Stop).ToListAsync(Stop);

        running.Should().ContainSingle().Which.Should().BeEquivalentTo(new { JobId = -1L, JobName = "PG_CRON: HERE", Status = (string?)null, Pid = worker.ProcessID });
    }

    private async Task<PgCronDatabase> FilledAsync()
    {
        var cron = await PgCronDatabase.CreateAsync(server);
        var nightly = await cron.JobAsync("nightly", "0 0 31 2 *");
        await cron.RunAsync(nightly, "succeeded", 500, 499, "1 row");
        await cron.RunAsync(nightly, "failed", 300, 299, @"ERROR:  no\nCONTEXT:  x");
        await cron.RunAsync(2, "running", 100, null);
        await cron.Log.ExecuteAsync(
            """
            INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid) VALUES
                ('me', 'A', now() - interval '400 seconds', now(), 'CRITICAL', 1), ('me', 'B', now() - interval '200 seconds', now(), 'OK', 1)
            """);
        return cron;
    }

    private static async Task<string[]> NamesAsync(PgCronDatabase cron, JobQuery query) =>
        await cron.History.ListAsync(query, Stop).Select(r => $"{r.JobId} {r.JobName} {r.Status}").ToArrayAsync(Stop);
}
