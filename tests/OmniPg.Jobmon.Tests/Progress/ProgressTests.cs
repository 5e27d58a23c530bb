using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Progress;

public sealed class ProgressTests(PgClusterFixture server)
{
    private const string CountUpdates =
        """
        CREATE TABLE updates (at timestamptz);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.updates VALUES (now()); RETURN NULL; END';
        CREATE TRIGGER note AFTER UPDATE ON S.job_detail FOR EACH STATEMENT EXECUTE FUNCTION note();
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Parallel_steps_end_with_exact_values()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await log.ExecuteAsync(CountUpdates);

        await jobmon.RunAsync(
            "parallel",
            (job, ct) => Parallel.ForEachAsync(Enumerable.Range(0, 32), ct, async (i, token) =>
            {
                await using var step = await job.StepAsync($"part {i}", token);
                for (var n = 0; n < 1_000; n++)
                    step.Increment();
                await step.CompleteAsync(cancellationToken: token);
            }),
            cancellationToken: Cancellation);

        (await log.RowsAsync("SELECT count(*), min(current), max(current), count(DISTINCT ordinal) FROM omnipg_jobmon.step")).Should().Equal("32|1000|1000|32");
        (await log.RowsAsync("SELECT l.status, count(*) FROM S.job_log l JOIN S.job_detail d USING (job_id) WHERE d.status = 'OK' AND d.message LIKE '1,000%' GROUP BY 1")).Should().Equal("OK|32");
        (await log.ScalarAsync<long>("SELECT count(*) FROM updates")).Should().BeLessThanOrEqualTo(64);
    }

    [Fact]
    public async Task Many_reports_cost_few_writes_and_the_last_one_is_seen()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { FlushInterval = TimeSpan.FromMilliseconds(100) });
        await log.ExecuteAsync(CountUpdates);
        using var job = jobmon.Start("busy");
        using var step = job.Step("count");

        var clock = System.Diagnostics.Stopwatch.StartNew();
        for (var i = 1; i <= 1_000_000; i++)
            step.Report(i, 1_000_000);
        await Eventually.TrueAsync(async () => await log.ScalarAsync<long?>("SELECT current FROM omnipg_jobmon.step") == 1_000_000, "the last value arrives", cancellationToken: Cancellation);
        var elapsed = clock.Elapsed;

        (await log.ScalarAsync<long>("SELECT count(*) FROM updates")).Should().BeGreaterThan(0).And.BeLessThanOrEqualTo((long)(elapsed.TotalMilliseconds / 100) + 2);
        (await log.RowsAsync("SELECT status, end_time IS NULL, message LIKE '1,000,000 of 1,000,000 (100 %), %/s' FROM S.job_detail")).Should().Equal("PENDING|t|t");
        step.Complete();
        job.Complete();
    }

    [Fact]
    public async Task Flush_writes_at_once_and_tells_when_it_cannot()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { FlushInterval = TimeSpan.FromMinutes(1) });
        using var job = jobmon.Start("flush");
        using var step = job.Step("count");

        step.Report(new StepProgress(3, 12, "files", "reading"));
        await job.FlushAsync(Cancellation);

        (await log.RowsAsync("SELECT current, total, unit FROM omnipg_jobmon.step")).Should().Equal("3|12|files");
        step.Report(4);
        await log.ExecuteAsync("ALTER TABLE S.job_detail RENAME TO gone");
        await job.Awaiting(j => j.FlushAsync(Cancellation).AsTask()).Should().ThrowAsync<JobmonUnavailableException>();
        await log.ExecuteAsync("ALTER TABLE S.gone RENAME TO job_detail");
    }

    [Fact]
    public async Task Async_sequences_count_too()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        await using var job = await jobmon.StartAsync("async", cancellationToken: Cancellation);
        await using var step = await job.StepAsync("read", Cancellation);

        await foreach (var _ in step.Each(Numbers(), 5, "rows").WithCancellation(Cancellation))
        {
        }

        step.Progress.Current.Should().Be(5);
        step.Progress.Fraction.Should().Be(1);
        await job.CompleteAsync(cancellationToken: Cancellation);
    }

    private static async IAsyncEnumerable<int> Numbers()
    {
        for (var i = 0; i < 5; i++)
        {
            await Task.Yield();
            yield return i;
        }
    }
}
