using OmniPg.Jobmon.Tests.Faults;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Progress;

/// <summary>Progress of one step that meets the writes of others.</summary>
public sealed class OvertakenProgressTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Progress_that_was_overtaken_by_the_end_of_its_step_does_not_replace_the_last_value()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var time = new InterposedTime();
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw, FlushInterval = TimeSpan.FromMilliseconds(50) }, timeProvider: time);
        await using var job = await jobmon.StartAsync("counts", cancellationToken: Stop);
        var step = await job.StepAsync("rows", Stop);
        var gate = ((JobRun)job).Row.Journal.Gate;
        Thread? ending = null;
        time.WhenReadBy("ProgressCell.Read", () =>
        {
            ending = new Thread(() =>
            {
                step.Report(100, 100);
                step.Complete();
            });
            ending.Start();
            // Whoever writes for this run holds its gate: then the end comes after this progress by itself.
            if (gate.CurrentCount > 0)
                ending.Join();
        });

        step.Report(50, 100);
        await Eventually.TrueAsync(() => time.Fired, "the background reads the progress", cancellationToken: Stop);
        ending!.Join();
        await job.FlushAsync(Stop);
        await job.CompleteAsync(cancellationToken: Stop);

        (await log.RowsAsync("SELECT d.status, s.current FROM S.job_detail d JOIN omnipg_jobmon.step s USING (step_id)")).Should().Equal("OK|100");
    }

    [Fact]
    public async Task Run_whose_writer_is_stuck_does_not_keep_the_progress_of_others_from_being_seen()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { FlushInterval = TimeSpan.FromMilliseconds(50) });
        await using var stuck = await jobmon.StartAsync("stuck", cancellationToken: Stop);
        (await stuck.StepAsync("waits", Stop)).Report(1);
        await using var other = await jobmon.StartAsync("other", cancellationToken: Stop);
        var step = await other.StepAsync("moves", Stop);
        var gate = ((JobRun)stuck).Row.Journal.Gate;

        await gate.WaitAsync(Stop);
        try
        {
            for (var value = 1; value <= 3; value++)
            {
                step.Report(value);
                await Eventually.TrueAsync(
                    async () => await log.ScalarAsync<long?>($"SELECT current FROM omnipg_jobmon.step WHERE step_id = {step.StepId}") == value,
                    "the progress arrives", cancellationToken: Stop);
            }
        }
        finally
        {
            gate.Release();
        }

        await step.CompleteAsync(cancellationToken: Stop);
        await other.CompleteAsync(cancellationToken: Stop);
        await stuck.CompleteAsync(cancellationToken: Stop);
        (await log.RowsAsync("SELECT current FROM omnipg_jobmon.step ORDER BY step_id")).Should().Equal("1", "3");
    }
}
