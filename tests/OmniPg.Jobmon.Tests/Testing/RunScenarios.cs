namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>Runs beside and below each other, and runs that are kept back.</summary>
internal static class RunScenarios
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new("child runs and the current run", async stage =>
        {
            stage.Note(stage.Jobmon.Current?.Name);
            await stage.Jobmon.RunAsync("parent", async (parent, ct) =>
            {
                stage.Note(stage.Jobmon.Current?.Name);
                await stage.Jobmon.RunAsync("child", (_, _) =>
                {
                    stage.Note(stage.Jobmon.Current?.Name);
                    return Task.CompletedTask;
                }, cancellationToken: ct);
                stage.Note(stage.Jobmon.Current?.Name);
            }, cancellationToken: stage.Stop);
            stage.Note(stage.Jobmon.Current?.Name);
            using var other = stage.Jobmon.Start("other");
            using var third = stage.Jobmon.Job("third").ChildOf(other).Start();
            third.Complete();
            stage.Note(stage.Jobmon.Current?.Name);
            other.Complete();
        }),
        new("a single instance is skipped while another is at work", async stage =>
        {
            using var first = stage.Jobmon.Job("Export").SingleInstance().Start();
            using var second = stage.Jobmon.Job("EXPORT").SingleInstance().Start();
            using var free = stage.Jobmon.Start("export");
            stage.Note((first.Acquired, second.Acquired, second.State, free.Acquired));
            second.Complete();
            stage.NoteThrow(() => second.Step("no"));
            await stage.Jobmon.RunAsync("export", (_, _) => throw new InvalidOperationException("not called"), new JobOptions { SingleInstance = true }, stage.Stop);
            first.Complete();
            using var third = stage.Jobmon.Job("export").SingleInstance().Start();
            stage.Note(third.Acquired);
            third.Complete();
            free.Complete();
        }),
        new("a single instance throws while another is at work", stage =>
        {
            using var first = stage.Jobmon.Job("export").SingleInstance().Start();
            stage.NoteThrow(() => stage.Jobmon.Job("export").SingleInstance(OnConflict.Throw).Start());
            stage.NoteThrow(() => stage.Jobmon.Job("export").SingleInstance(TimeSpan.FromMilliseconds(100)).Start());
            first.Complete();
            return Task.CompletedTask;
        }),
        new("a single instance waits for another", async stage =>
        {
            using var first = stage.Jobmon.Job("export").SingleInstance().Start();
            await stage.NoteThrowAsync(() => stage.Jobmon.Job("export").SingleInstance(TimeSpan.FromMilliseconds(100)).StartAsync(stage.Stop).AsTask());
            var waiting = stage.Jobmon.Job("export").SingleInstance(TimeSpan.FromSeconds(30)).StartAsync(stage.Stop);
            stage.Note(waiting.IsCompleted);
            first.Complete();
            await using var second = await waiting;
            stage.Note(second.Acquired);
            await second.CompleteAsync(cancellationToken: stage.Stop);
            using var stop = new CancellationTokenSource();
            using var third = stage.Jobmon.Job("export").SingleInstance().Start();
            var cancelled = stage.Jobmon.Job("export").SingleInstance(TimeSpan.FromSeconds(30)).StartAsync(stop.Token);
            await stop.CancelAsync();
            await stage.NoteThrowAsync(() => cancelled.AsTask());
            third.Complete();
        }),
        new("runs kept back until they matter", async stage =>
        {
            using (var quiet = stage.Jobmon.Job("quiet").ErrorsOnly(TimeSpan.FromHours(1)).Start())
            {
                quiet.Step("look").Complete();
                stage.Note(quiet.JobId);
                quiet.Complete("nothing to do");
            }

            stage.Jobmon.Start("loud").Complete();
            using (var warns = stage.Jobmon.Job("warns").ErrorsOnly().Start())
            {
                warns.Step("look").Warn("odd");
                stage.Note(warns.JobId);
                warns.Complete();
                stage.Note(warns.JobId is not null);
            }

            using (var fails = stage.Jobmon.Job("fails").ErrorsOnly().Start())
            {
                fails.Step("look").Complete();
                fails.Fail("broken");
            }

            using var asked = stage.Jobmon.Job("asked for").ErrorsOnly().Start();
            asked.Step("look");
            await asked.FlushAsync(stage.Stop);
            stage.Note(asked.JobId is not null);
            await stage.LookAsync();
            asked.Complete();
            using var lasting = stage.Jobmon.Job("lasting").ErrorsOnly(TimeSpan.Zero).Start();
            lasting.Complete();
        }),
    ];
}
