using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.History;

public sealed class HistoryTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Queries_combine_their_conditions()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(
            "INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid) SELECT 'me', 'JOB ' || g % 2, '2026-01-01Z'::timestamptz + g * interval '1 h', "
            + "CASE WHEN g < 9 THEN '2026-01-02Z'::timestamptz END, CASE WHEN g < 9 THEN 'OK' END, 7 FROM generate_series(1, 9) g; INSERT INTO omnipg_jobmon.run (job_id, tags) VALUES (3, '{daily,eu}')");

        (await IdsAsync(log, new JobQuery())).Should().Equal(9, 8, 7, 6, 5, 4, 3, 2, 1);
        (await IdsAsync(log, new JobQuery { Name = "job 1", Limit = 2 })).Should().Equal(9, 7);
        (await IdsAsync(log, new JobQuery { NameMatches = "^JOB [0]$", Status = "OK" })).Should().Equal(8, 6, 4, 2);
        (await IdsAsync(log, new JobQuery { Unfinished = true })).Should().Equal(9);
        (await IdsAsync(log, new JobQuery { Tag = "eu" })).Should().Equal(3);
        (await IdsAsync(log, new JobQuery { Since = new DateTimeOffset(2026, 1, 1, 3, 0, 0, TimeSpan.Zero), Before = new DateTimeOffset(2026, 1, 1, 5, 0, 0, TimeSpan.Zero) })).Should().Equal(4, 3);
        (await IdsAsync(log, new JobQuery { Limit = 0 })).Should().BeEmpty();
        ((Func<JobQuery>)(() => new JobQuery { Limit = -1 })).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public async Task A_bad_pattern_is_an_argument_error_and_a_hostile_one_is_only_a_pattern()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("SELECT S.add_job('x')");

        var act = () => IdsAsync(log, new JobQuery { NameMatches = "(" });

        await act.Should().ThrowAsync<ArgumentException>().WithMessage("*regular expression*");
        (await IdsAsync(log, new JobQuery { NameMatches = "'; DROP TABLE job_log; --" })).Should().BeEmpty();
        (await IdsAsync(log, new JobQuery { Name = "' OR true --" })).Should().BeEmpty();
    }

    [Fact]
    public async Task Steps_of_several_runs_come_by_one_question_and_the_open_ones_alone_when_wanted()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(
            "SELECT S.add_step(S.add_job(n), n || ' ' || g) FROM unnest(ARRAY['a', 'b', 'c']) n, generate_series(1, 1) g; SELECT S.add_step(1, 'a 2'), S.add_step(3, 'c 2'), S.add_step(3, 'c 3');"
            // A finished step, and one of a SQL caller that reports progress, with its end time.
            + "SELECT S.update_step(1, 'OK', 'done'), S.update_step(5, 'PENDING', '10 rows')");

        async Task<string[]> Of(long[] runs, bool openOnly) =>
            await log.History.StepsAsync(runs, openOnly, Stop).Select(step => $"{step.JobId} {step.Action}").ToArrayAsync(Stop);

        (await Of([1, 3, 99], false)).Should().Equal("3 c 1", "3 c 2", "3 c 3", "1 a 1", "1 a 2");
        (await Of([1, 3], true)).Should().Equal("3 c 1", "3 c 2", "3 c 3", "1 a 2");
        (await Of([], false)).Should().BeEmpty();
    }

    [Fact]
    public async Task Steps_and_statistics_are_read_with_what_the_side_schema_knows()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync(
            "INSERT INTO S.job_log (owner, job_name, start_time, end_time, status, pid) SELECT 'me', 'A', now() - interval '1 h', now() - interval '1 h' + g * interval '10 s', CASE g WHEN 5 THEN 'CRITICAL' ELSE 'OK' END, 7 FROM generate_series(1, 5) g;"
            + "SELECT S.add_job('a'), S.add_step(6, 'load'); INSERT INTO omnipg_jobmon.step (step_id, job_id, ordinal, current, total, unit) VALUES (1, 6, 1, 30, 90, 'rows')");

        var steps = await log.History.StepsAsync("a", 1, Stop).ToListAsync(Stop);
        var statistics = await log.History.StatisticsAsync("a", TimeSpan.FromHours(2), Stop);

        steps.Should().ContainSingle().Which.Should().BeEquivalentTo(new
        {
            Ordinal = 1, Current = 30L, Total = 90L, Unit = "rows", ParentStepId = (long?)null, ProgressAt = (DateTimeOffset?)null, RowsAffected = (long?)null, Error = (string?)null,
        });
        statistics.Should().BeEquivalentTo(new
        {
            JobName = "A", Runs = 6L, Succeeded = 4L, Failed = 1L, Unfinished = 1L, Mean = TimeSpan.FromSeconds(25), Median = TimeSpan.FromSeconds(25), Longest = TimeSpan.FromSeconds(40),
        });
        steps[0].Duration.Should().BeNull("it is open");
        (await log.History.ListAsync(new JobQuery { Name = "a" }, Stop).Select(j => j.Duration?.TotalSeconds).ToArrayAsync(Stop)).Should().Equal(null, 50, 40, 30, 20, 10);
        (await log.History.StepsAsync(6, Stop).CountAsync(Stop)).Should().Be(1);
        (await log.History.RunningAsync(10, Stop).CountAsync(Stop)).Should().BeLessThanOrEqualTo(1);
    }

    [Fact]
    public async Task A_database_without_a_log_says_what_to_do()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var history = new JobHistory(JobLogDatabase.AccessAs(database.DataSource), TimeSpan.FromSeconds(60));

        var act = async () => await history.ListAsync(new JobQuery(), Stop).ToListAsync(Stop);

        (await act.Should().ThrowAsync<JobmonNotInstalledException>()).Which.Hint.Should().Contain("InstallAsync");
    }

    private static async Task<long[]> IdsAsync(JobLogDatabase log, JobQuery query) =>
        await log.History.ListAsync(query, Stop).Select(j => j.JobId).ToArrayAsync(Stop);
}
