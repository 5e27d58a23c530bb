using Npgsql;

namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>Arguments that both kinds of log refuse alike.</summary>
internal static class MisuseScenarios
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new("misused starts", async stage =>
        {
            var jobmon = stage.Jobmon;
            stage.NoteThrow(() => jobmon.Start(null!));
            stage.NoteThrow(() => jobmon.Start(""));
            stage.NoteThrow(() => jobmon.Start("  "));
            stage.NoteThrow(() => jobmon.Start(new string('ä', 501)));
            stage.NoteThrow(() => jobmon.Job(""));
            stage.NoteThrow(() => jobmon.Start("x", new JobOptions { WaitTimeout = TimeSpan.FromTicks(-1) }));
            await stage.NoteThrowAsync(() => jobmon.RunSqlAsync("x", "SELECT 1", new SqlJobOptions { CommandTimeout = TimeSpan.FromTicks(-1) }));
            await stage.NoteThrowAsync(() => jobmon.StartAsync("").AsTask());
            await stage.NoteThrowAsync(() => jobmon.RunAsync("x", (Func<IJob, CancellationToken, Task>)null!));
            await stage.NoteThrowAsync(() => jobmon.RunAsync("", (_, _) => Task.CompletedTask));
            await stage.NoteThrowAsync(() => jobmon.RunSqlAsync("x", " "));
            jobmon.Start(new string('ä', 500)).Complete();
        }),
        new("misused runs", async stage =>
        {
            using var job = stage.Jobmon.Start("misused");
            stage.NoteThrow(() => job.Step(""));
            await stage.NoteThrowAsync(() => job.StepAsync(" ").AsTask());
            await stage.NoteThrowAsync(() => job.StepAsync<int>("x", null!));
            await stage.NoteThrowAsync(() => job.SqlStepAsync("x", "", new NpgsqlConnection()));
            await stage.NoteThrowAsync(() => job.SqlStepAsync("x", "SELECT 1", null!));
            stage.NoteThrow(() => job.Attach(null!));
            stage.NoteThrow(() => job.Attach(new NpgsqlConnection()));
            stage.NoteThrow(() => job.SetResult("", "x"));
            stage.NoteThrow(() => job.SetResult("x", null!));
            stage.NoteThrow(() => job.Count(""));
            stage.NoteThrow(() => job.Log(default, null!));
            stage.NoteThrow(() => job.Fail((Exception)null!));
            stage.NoteThrow(() => job.Fail(""));
            job.Complete();
            stage.NoteThrow(() => job.Step("too late"));
        }),
        new("misused steps and queries", async stage =>
        {
            using var job = stage.Jobmon.Start("misused");
            using var step = job.Step("step");
            stage.NoteThrow(() => step.Step(""));
            stage.NoteThrow(() => step.Warn(null!));
            stage.NoteThrow(() => step.Fail((Exception)null!));
            stage.NoteThrow(() => step.Fail((string)null!));
            stage.NoteThrow(() => step.Fail(""));
            await stage.NoteThrowAsync(() => step.FailAsync("").AsTask());
            await stage.NoteThrowAsync(() => job.SqlStepAsync("nothing attached", "SELECT 1"));
            await stage.NoteThrowAsync(() => step.WarnAsync(null!).AsTask());
            stage.NoteThrow(() => stage.Jobmon.History.ListAsync(null!));
            stage.NoteThrow(() => stage.Jobmon.History.RunningAsync(-1));
            stage.NoteThrow(() => stage.Jobmon.History.StepsAsync("x", -1));
            stage.NoteThrow(() => stage.Jobmon.History.StepsAsync(" "));
            stage.NoteThrow(() => stage.Jobmon.History.StepsAsync((long[])null!));
            step.Complete();
            job.Complete();
        }),
    ];
}
