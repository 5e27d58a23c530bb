using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>What the log in memory offers beyond the rules of the client: a clock, answers to SQL, snapshots, refusals.</summary>
public sealed class RecordingJobmonTests
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly WaitableTimeProvider _clock = new(Noon);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Times_rates_and_remaining_time_come_from_the_clock_of_the_test()
    {
        var jobmon = new RecordingJobmon(_clock);

        using (var job = jobmon.Start("import"))
        {
            var step = job.Step("read");
            _clock.Advance(TimeSpan.FromSeconds(10));
            step.Report(new StepProgress(50, 200, "rows"));
            jobmon.Jobs.Single().Step("read").Message.Should().Be("50 of 200 rows (25 %), 5.0 rows/s, 00:00:30 left");
            step.Complete();
            await job.CompleteAsync(cancellationToken: Stop);
        }

        var seen = jobmon.Jobs.Single();
        (seen.StartTime, seen.EndTime, seen.Duration).Should().Be((Noon, Noon.AddSeconds(10), TimeSpan.FromSeconds(10)));
        (seen.Steps[0].StartTime, seen.Steps[0].EndTime).Should().Be((Noon, Noon.AddSeconds(10)));
        seen.Steps[0].Progress.Should().Be(new StepProgress(50, 200, "rows") { Rate = 5, Remaining = TimeSpan.FromSeconds(30) });
    }

    [Fact]
    public void Snapshot_does_not_change_with_the_run()
    {
        var jobmon = new RecordingJobmon();
        using var job = jobmon.Job("import").Tag("daily").Start();
        using var step = job.Step("read");

        var before = jobmon.Jobs.Single();
        step.Complete("done");
        job.SetResult("file", "a.csv");
        job.Log(LogLevel.Information, "line");
        job.Complete();

        (before.State, before.Status, before.EndTime, before.Level).Should().Be((JobState.Running, null, null, null));
        before.Steps.Should().ContainSingle().Which.Should().Match<RecordedStep>(s => s.Status == null && s.Message == null && s.EndTime == null);
        (before.Results.Count, before.Lines.Count).Should().Be((0, 0));
        jobmon.Jobs.Single().ToString().Should().Be("import: OK\n  read: OK \"done\"");
    }

    [Fact]
    public void Snapshot_holds_the_very_exceptions()
    {
        var jobmon = new RecordingJobmon();
        var (ofStep, ofJob) = (new InvalidDataException("row 2"), new InvalidOperationException("gave up"));

        using (var job = jobmon.Start("import"))
        {
            job.Step("read").Fail(ofStep);
            job.Fail(ofJob);
        }

        jobmon.Jobs.Single().Error.Should().BeSameAs(ofJob);
        jobmon.Jobs.Single().Step("read").Error.Should().BeSameAs(ofStep);
    }

    [Fact]
    public void Step_by_its_action_is_the_only_one_of_that_name()
    {
        var jobmon = new RecordingJobmon();
        using var job = jobmon.Start("import");
        job.Step("twice").Complete();
        job.Step("twice").Step("once").Complete();
        var seen = jobmon.Jobs.Single();

        seen.Step("once").Should().Match<RecordedStep>(s => s.Depth == 1 && s.ParentStepId == seen.Steps[1].StepId);
        seen.Invoking(j => j.Step("twice")).Should().Throw<InvalidOperationException>().WithMessage(
            "'2' steps are called 'twice', not one, in import: Running\n  twice: OK\n  twice: open\n    once: OK");
        seen.Invoking(j => j.Step("never")).Should().Throw<InvalidOperationException>().WithMessage("'0' steps are called 'never'*");
    }

    [Fact]
    public async Task Cancel_fires_the_token_before_it_returns()
    {
        var jobmon = new RecordingJobmon(_clock);
        using var fired = new CancellationTokenSource();
        var work = jobmon.RunAsync("patient", async (_, ct) =>
        {
            var waiting = Task.Delay(Timeout.Infinite, ct);
            // The last registered is called first: not taken back by the end of the wait before its turn.
            await using var registration = ct.Register(fired.Cancel);
            await waiting;
        }, cancellationToken: Stop);
        var id = jobmon.Jobs.Single().JobId;

        var result = jobmon.Cancel(id);
        var hasFired = fired.IsCancellationRequested;
        await work.Awaiting(w => w).Should().ThrowAsync<OperationCanceledException>();
        var again = jobmon.Cancel(id);

        hasFired.Should().BeTrue();
        (result, again, jobmon.Cancel(99)).Should().Be((CancelResult.Requested, CancelResult.AlreadyFinished, CancelResult.NotFound));
        jobmon.Jobs.Single().Should().Match<RecordedJob>(j => j.State == JobState.Cancelled && j.Message == "Cancelled by recording" && j.CancelRequestedAt == Noon);
    }

    [Fact]
    public async Task Wait_for_a_single_instance_follows_the_clock_of_the_test()
    {
        var jobmon = new RecordingJobmon(_clock);
        using var first = jobmon.Job("export").SingleInstance().Start();

        var waiting = jobmon.Job("export").SingleInstance(TimeSpan.FromMinutes(5)).StartAsync(Stop).AsTask();
        _clock.Advance(TimeSpan.FromMinutes(4));
        waiting.IsCompleted.Should().BeFalse();
        _clock.Advance(TimeSpan.FromMinutes(1));

        var refusal = (await waiting.Awaiting(w => w).Should().ThrowAsync<JobAlreadyRunningException>()).Which;
        (refusal.JobName, refusal.HolderJobId, refusal.Since, refusal.HolderPid).Should().Be(("export", first.JobId, Noon, null));
        _clock.WaitingTimers.Should().Be(0);
        jobmon.Jobs.Should().ContainSingle();
    }

    [Fact]
    public async Task Run_kept_back_appears_when_it_has_become_long()
    {
        var jobmon = new RecordingJobmon(_clock);
        using var job = jobmon.Job("every second").ErrorsOnly(TimeSpan.FromMinutes(1)).Start();
        using var step = job.Step("look");

        _clock.Advance(TimeSpan.FromMinutes(1));
        jobmon.Jobs.Should().BeEmpty();
        (job.JobId, step.StepId).Should().Be((null, null));
        _clock.Advance(TimeSpan.FromSeconds(1));

        jobmon.Jobs.Should().ContainSingle().Which.Steps.Should().ContainSingle();
        (await jobmon.History.RunningAsync(cancellationToken: Stop).SingleAsync(Stop)).JobId.Should().Be(job.JobId);
    }

    [Fact]
    public async Task Sql_is_answered_by_the_test()
    {
        var asked = new List<string>();
        var refusal = new PostgresException("no such table", "ERROR", "ERROR", PostgresErrorCodes.UndefinedTable);
        var jobmon = new RecordingJobmon
        {
            SqlAnswer = sql =>
            {
                asked.Add(sql);
                return sql.StartsWith("DELETE", StringComparison.Ordinal) ? 12 : throw refusal;
            },
        };

        var good = await jobmon.RunSqlAsync("purge", "DELETE FROM facts", cancellationToken: Stop);
        var bad = await jobmon.RunSqlAsync("purge", "TRUNCATE nothing", cancellationToken: Stop);
        using var job = jobmon.Start("steps");
        var step = await job.SqlStepAsync("delete old", "DELETE FROM facts", new NpgsqlConnection(), cancellationToken: Stop);

        (good.Succeeded, good.RowsAffected, bad.Succeeded, bad.Error).Should().Be((true, 12L, false, refusal));
        asked.Should().Equal("DELETE FROM facts", "TRUNCATE nothing", "DELETE FROM facts");
        (step.RowsAffected, jobmon.Jobs[^1].Step("delete old").Message, jobmon.Jobs[1].Steps.Single().Status).Should().Be((12L, "Rows affected: 12", "CRITICAL"));
    }

    [Fact]
    public async Task What_needs_a_server_is_refused_with_the_way_out()
    {
        var jobmon = new RecordingJobmon();

        await jobmon.Awaiting(j => j.RunSqlAsync("x", "SELECT 1")).Should().ThrowAsync<NotSupportedException>().WithMessage(
            "RecordingJobmon has no server to answer 'RunSqlAsync': set RecordingJobmon.SqlAnswer, or SqlJobOptions.DataSource to run the SQL on a server.");
        jobmon.Invoking(j => j.Monitor).Should().Throw<NotSupportedException>().WithMessage("*'Monitor': set RecordingJobmon.Monitor to an IJobMonitor of the test.");
        await jobmon.Awaiting(j => j.Admin.PurgeAsync(new PurgeOptions())).Should().ThrowAsync<NotSupportedException>()
            .WithMessage("*'Admin.PurgeAsync': test it with a JobmonClient on a server.");
        jobmon.Invoking(j => j.History.ListAsync(new JobQuery { NameMatches = "a" })).Should().Throw<NotSupportedException>()
            .WithMessage("*'JobQuery.NameMatches': the server has its own regular expressions; ask by JobQuery.Name.");
        await jobmon.Awaiting(j => j.GetCapabilitiesAsync(Stop).AsTask()).Should().ThrowAsync<NotSupportedException>();
        jobmon.Jobs.Should().BeEmpty();
    }

    [Fact]
    public async Task History_answers_by_every_condition_of_a_query()
    {
        var jobmon = new RecordingJobmon(_clock);
        jobmon.Job("a").Tag("daily").Start().Complete();
        _clock.Advance(TimeSpan.FromHours(1));
        jobmon.Start("B").Fail("no");
        _clock.Advance(TimeSpan.FromHours(1));
        var last = jobmon.Start("a");
        last.Step("over").Complete();
        last.Step("open");

        (await IdsAsync(new JobQuery())).Should().Equal(3, 2, 1);
        (await IdsAsync(new JobQuery { Limit = 2 })).Should().Equal(3, 2);
        (await IdsAsync(new JobQuery { Name = "A" })).Should().Equal(3, 1);
        (await IdsAsync(new JobQuery { Status = "CRITICAL" })).Should().Equal(2);
        (await IdsAsync(new JobQuery { Tag = "daily" })).Should().Equal(1);
        (await IdsAsync(new JobQuery { Since = Noon.AddHours(1) })).Should().Equal(3, 2);
        (await IdsAsync(new JobQuery { Before = Noon.AddHours(1) })).Should().Equal(1);
        (await IdsAsync(new JobQuery { Unfinished = true })).Should().Equal(3);
        (await IdsAsync(new JobQuery { Unfinished = false, Name = "a" })).Should().Equal(1);
        (await jobmon.History.StepsAsync("A", 1, Stop).Select(step => step.Action).ToListAsync(Stop)).Should().Equal("over", "open");
        (await jobmon.History.StepsAsync([1, 2, 3], openOnly: true, Stop).Select(step => step.Action).ToListAsync(Stop)).Should().Equal("open");
        (await jobmon.History.StepsAsync([3, 2], openOnly: false, Stop).Select(step => step.Action).ToListAsync(Stop)).Should().Equal("over", "open", "EXCEPTION before first step logged");

        async Task<List<long>> IdsAsync(JobQuery query) => await jobmon.History.ListAsync(query, Stop).Select(job => job.JobId).ToListAsync(Stop);
    }

    [Fact]
    public async Task Many_threads_lose_nothing()
    {
        var jobmon = new RecordingJobmon();

        await Task.WhenAll(Enumerable.Range(0, 16).Select(n => Task.Run(
            () => jobmon.RunAsync($"job {n}", async (job, ct) =>
            {
                await Task.WhenAll(Enumerable.Range(0, 8).Select(s => job.StepAsync($"step {s}", async (step, _) =>
                {
                    for (var i = 0; i < 100; i++)
                        step.Increment();
                    job.Count("rows", 100);
                    await Task.Yield();
                    return jobmon.Jobs.Count;
                }, ct)));
            }), Stop)));

        jobmon.Jobs.Should().HaveCount(16).And.OnlyContain(job => job.Status == "OK" && job.Counters["rows"] == 800 && job.Steps.Count == 8);
        jobmon.Jobs.SelectMany(job => job.Steps).Should().OnlyContain(step => step.Status == "OK" && step.Progress!.Value.Current == 100);
        jobmon.Jobs.SelectMany(job => job.Steps).Select(step => step.StepId).Order().Should().Equal(Enumerable.Range(1, 128).Select(i => (long)i));
    }

    [Fact]
    public void Two_records_know_nothing_of_each_other()
    {
        var (one, two) = (new RecordingJobmon(), new RecordingJobmon());

        using var first = one.Job("export").SingleInstance().Start();
        using var second = two.Job("export").SingleInstance().Start();

        (first.Acquired, second.Acquired, one.Current, two.Current).Should().Be((true, true, first, second));
        two.Jobs.Single().ParentJobId.Should().BeNull();
    }
}
