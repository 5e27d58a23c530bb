using Microsoft.Extensions.Options;

namespace OmniPg.Jobmon.Tests.Options;

public sealed class JobOptionValidationTests
{
    [Fact]
    public async Task All_that_is_wrong_with_a_run_is_said_at_once()
    {
        using var jobmon = new RecordingJobmon();
        var options = new JobOptions
        {
            WaitTimeout = TimeSpan.FromSeconds(-1), RecordWhenLongerThan = TimeSpan.FromSeconds(-2), MaxRuntime = TimeSpan.Zero, CancelledLevel = new AlertLevel(0),
            OnConflict = (OnConflict)9, DisposeBehavior = (DisposeBehavior)7,
        };

        string[] failures =
        [
            "WaitTimeout '-00:00:01' must not be negative.", "RecordWhenLongerThan '-00:00:02' must not be negative.", "MaxRuntime '00:00:00' must be positive.",
            "CancelledLevel '0' must be a code from 1.", "OnConflict '9' must be one of 'Skip', 'Wait', 'Throw'.",
            "DisposeBehavior '7' must be one of 'FailUnlessCompleted', 'CompleteUnlessFailed'.",
        ];

        jobmon.Invoking(j => j.Start("x", options)).Should().Throw<OptionsValidationException>().Which.Failures.Should().Equal(failures);
        var sql = () => jobmon.RunSqlAsync("x", "SELECT 1", new SqlJobOptions { Job = options, CommandTimeout = TimeSpan.FromTicks(-1) });
        (await sql.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().Equal(
            [.. failures.Select(f => "Job: " + f), "CommandTimeout '-00:00:00.0000001' must not be negative."]);
        jobmon.Jobs.Should().BeEmpty();
    }

    [Fact]
    public void What_is_set_later_changes_neither_a_run_nor_a_builder()
    {
        using var jobmon = new RecordingJobmon();
        var options = new JobOptions { Tags = ["first"] };
        var builder = jobmon.Job("built").Tag("first");

        using (jobmon.Start("x", options))
            options.Tags = ["second"];
        builder.Options.Tags = ["second"];
        builder.Start().Complete();

        jobmon.Jobs.Select(j => j.Options.Tags.Single()).Should().Equal("first", "first");
    }

    [Fact]
    public async Task Edges_of_the_ranges_are_taken()
    {
        await using var jobmon = new RecordingJobmon { SqlAnswer = _ => 0 };
        var options = new JobOptions { WaitTimeout = TimeSpan.Zero, RecordWhenLongerThan = TimeSpan.Zero, MaxRuntime = TimeSpan.FromTicks(1), CancelledLevel = AlertLevel.Ok };

        jobmon.Start("x", options).Complete();
        await jobmon.RunSqlAsync("y", "SELECT 1", new SqlJobOptions { CommandTimeout = TimeSpan.Zero }, TestContext.Current.CancellationToken);

        jobmon.Jobs.Select(j => j.Status).Should().Equal("OK", "OK");
    }
}
