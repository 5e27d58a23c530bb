using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon.Tests.Jobs;

/// <summary>The client that records nothing is the client all the same: its rules, without a record and without being in anybody's way.</summary>
public sealed class NullClientTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runs_have_no_ids_and_end_by_the_rules_of_the_client()
    {
        using var job = JobmonClient.Null.Start("nowhere");
        using var step = job.Step("count");
        step.Report(5, 10);
        job.Log(LogLevel.Information, "for nobody");
        await job.FlushAsync(Stop);

        (job.JobId, step.StepId, step.Progress.Fraction).Should().Be((null, null, 0.5));
        JobmonClient.Null.Current.Should().BeSameAs(job);
        step.Complete();
        job.Fail("no");
        job.Complete();
        job.State.Should().Be(JobState.Failed);
        job.Invoking(j => j.Step("late")).Should().Throw<InvalidOperationException>();
        JobmonClient.Null.Invoking(j => j.Start(" ")).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void Single_instances_are_not_in_the_way_of_each_other()
    {
        using var first = JobmonClient.Null.Job("export").SingleInstance(OnConflict.Throw).Start();
        using var second = JobmonClient.Null.Job("export").SingleInstance(OnConflict.Throw).Start();

        (first.Acquired, second.Acquired).Should().Be((true, true));
    }

    [Fact]
    public async Task Disposing_what_all_share_does_nothing()
    {
        await JobmonClient.Null.DisposeAsync();
        JobmonClient.Null.Dispose();

        JobmonClient.Null.Start("goes on").Complete();
    }

    [Fact]
    public void Lines_inside_an_unrecorded_run_stay_with_the_recorded_one_around_it()
    {
        using var recording = new RecordingJobmon();
        var services = new ServiceCollection().AddLogging();
        services.AddOmniPgJobmon().AddLogCapture();
        using var provider = services.BuildServiceProvider();
        using var outer = recording.Start("recorded");
        using var around = outer.Step("around");

        using (var inner = JobmonClient.Null.Start("unrecorded", new JobOptions { Parent = outer }))
        using (inner.Step("inside"))
        {
            provider.GetRequiredService<ILoggerFactory>().CreateLogger("Etl").LogInformation("captured");
            outer.Log(LogLevel.Information, "by the run");
        }

        around.Complete();
        outer.Complete();
        var seen = recording.Jobs.Single();
        seen.Lines.Select(line => (line.Message, line.StepId)).Should().Equal(("captured", seen.Steps[0].StepId), ("by the run", seen.Steps[0].StepId));
    }
}
