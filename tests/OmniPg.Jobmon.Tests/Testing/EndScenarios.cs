namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>Ends without an exception: who wins, and what becomes of what is open.</summary>
internal static class EndScenarios
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new("the first end wins", stage =>
        {
            using var good = stage.Jobmon.Start("good");
            good.Complete();
            good.Fail("too late");
            stage.Note(good.State);
            using var bad = stage.Jobmon.Start("bad");
            bad.Fail("too early");
            bad.Complete();
            stage.Note(bad.State);
            using var step = stage.Jobmon.Start("step").Step("twice");
            step.Complete("first");
            step.Warn("second");
            return Task.CompletedTask;
        }),
        new("a message on success gets a step", async stage =>
        {
            await using var job = await stage.Jobmon.StartAsync("says goodbye", cancellationToken: stage.Stop);
            await job.CompleteAsync("all 3 files", stage.Stop);
        }),
        new("open steps end with a completed run", stage =>
        {
            using var job = stage.Jobmon.Start("hasty");
            var outer = job.Step("outer");
            outer.Step("inner").Report(2, 4, "reading");
            job.Complete("done");
            outer.Complete("ignored");
            return Task.CompletedTask;
        }),
        new("the innermost open step gets the reason of a failure", stage =>
        {
            using var job = stage.Jobmon.Start("refused");
            using var outer = job.Step("outer");
            using var inner = outer.Step("inner");
            inner.Report(1, 9);
            job.Fail("the file is missing", AlertLevel.Warning);
            stage.Note(job.State);
            return Task.CompletedTask;
        }),
        new("reasons before and after steps, and own levels", stage =>
        {
            using var before = stage.Jobmon.Start("before");
            before.Fail("no input");
            using var after = stage.Jobmon.Start("after");
            after.Step("fine").Complete();
            after.Fail("no output", new AlertLevel(7));
            return Task.CompletedTask;
        }),
        new("disposed without an end", stage =>
        {
            stage.Jobmon.Start("forgotten").Dispose();
            using (var job = stage.Jobmon.Start("forgotten step"))
            {
                job.Step("forgotten").Dispose();
                job.Complete();
            }

            var both = stage.Jobmon.Start("forgotten both");
            both.Step("open");
            both.Dispose();
            both.Dispose();
            stage.Note(both.State);
            return Task.CompletedTask;
        }),
        new("disposed without an end may mean success", stage =>
        {
            using (var job = stage.Jobmon.Start("trusting"))
            using (job.Step("trusting step"))
            {
            }

            stage.Jobmon.Job("strict").OnDispose(DisposeBehavior.FailUnlessCompleted).Start().Dispose();
            return Task.CompletedTask;
        })
        { DisposeBehavior = DisposeBehavior.CompleteUnlessFailed },
        new("what a dispose of the client ends", async stage =>
        {
            var job = stage.Jobmon.Start("left open");
            job.Step("open");
            await stage.Jobmon.DisposeAsync();
            stage.Note(job.State);
            stage.NoteThrow(() => stage.Jobmon.Start("too late"));
        }),
        new("calls after dispose", async stage =>
        {
            var job = stage.Jobmon.Start("gone");
            var step = job.Step("gone step");
            step.Dispose();
            job.Dispose();
            stage.NoteThrow(() => job.Complete());
            stage.NoteThrow(() => job.Fail("no"));
            stage.NoteThrow(() => job.Step("no"));
            stage.NoteThrow(() => job.Log(Microsoft.Extensions.Logging.LogLevel.Error, "no"));
            stage.NoteThrow(() => step.Complete());
            stage.NoteThrow(() => step.Next("no"));
            await stage.NoteThrowAsync(() => job.CompleteAsync(cancellationToken: stage.Stop).AsTask());
        }),
        new("own texts of the levels", async stage =>
        {
            await stage.Jobmon.Admin.SetStatusTextAsync(AlertLevel.Ok, "GOOD", stage.Stop);
            await stage.Jobmon.Admin.SetStatusTextAsync(new AlertLevel(4), "ON FIRE", stage.Stop);
            using (var job = stage.Jobmon.Start("named"))
            {
                job.Step("step").Complete();
                job.Complete("fine");
            }

            stage.Jobmon.Start("worse").Fail("smoke", new AlertLevel(4));
            stage.Note(string.Join(',', await stage.Jobmon.Admin.StatusTextsAsync(stage.Stop)));
            await stage.NoteThrowAsync(() => stage.Jobmon.Admin.SetStatusTextAsync(AlertLevel.Warning, "GOOD", stage.Stop));
            await stage.NoteThrowAsync(() => stage.Jobmon.Admin.SetStatusTextAsync(new AlertLevel(0), "NOTHING", stage.Stop));
        }),
    ];
}
