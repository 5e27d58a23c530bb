namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>Steps: their order, nesting, progress and texts.</summary>
internal static class StepScenarios
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new("using pattern with progress", stage =>
        {
            using var job = stage.Jobmon.Start("nightly load");
            using (var step = job.Step("extract"))
            {
                foreach (var _ in step.Each(Enumerable.Range(0, 3), unit: "rows"))
                {
                }

                step.Complete("Rows affected: 3");
            }

            using (var step = job.Step("load"))
            {
                step.Report(500, 2_000, "half way");
                step.Complete();
            }

            job.Complete();
            stage.Note(job.State);
            return Task.CompletedTask;
        }),
        new("an open step shows its progress", async stage =>
        {
            using var job = stage.Jobmon.Start("nightly load");
            job.Step("silent");
            using var step = job.Step("extract");
            step.Report(new StepProgress(10, 40, "files"));
            step.Increment(5);
            await job.FlushAsync(stage.Stop);
            await stage.LookAsync();
            stage.Note(step.Progress.Fraction);
            step.Complete("done");
            job.Complete();
        }),
        new("progress after the end of a step is not recorded", stage =>
        {
            using var job = stage.Jobmon.Start("nightly load");
            using var step = job.Step("extract");
            step.Report(1);
            step.Complete();
            step.Report(2);
            stage.Note(step.Progress.Current);
            job.Complete();
            return Task.CompletedTask;
        }),
        new("nested steps and a chain of steps", async stage =>
        {
            using var job = stage.Jobmon.Start("tree");
            await using var outer = await job.StepAsync("outer", stage.Stop);
            using (var inner = outer.Step("inner"))
            {
                inner.Step("innermost").Complete();
                inner.Complete();
            }

            var first = await outer.StepAsync("first", stage.Stop);
            var second = first.Next("second", "first is done");
            var third = await second.NextAsync("third", cancellationToken: stage.Stop);
            await third.CompleteAsync(cancellationToken: stage.Stop);
            await outer.CompleteAsync(cancellationToken: stage.Stop);
            stage.NoteThrow(() => first.Next("again"));
            job.Complete();
        }),
        new("a chain keeps the progress of its links", stage =>
        {
            using var job = stage.Jobmon.Start("chain");
            var first = job.Step("first");
            first.Report(3, 3);
            first.Next("second").Complete();
            job.Complete();
            return Task.CompletedTask;
        }),
        new("warnings, own status texts, and a step that fails alone", async stage =>
        {
            using var job = stage.Jobmon.Start("mixed");
            job.Step("warns").Warn("look at this");
            job.Step("says it its own way").Complete("message", "MOSTLY FINE");
            job.Step("fails").Fail(new InvalidOperationException("bad row"));
            await (await job.StepAsync("warns later", stage.Stop)).WarnAsync("slow", stage.Stop);
            await (await job.StepAsync("fails later", stage.Stop)).FailAsync(new InvalidDataException("no end"), stage.Stop);
            job.Complete();
        }),
        new("steps in parallel flows", async stage =>
        {
            using var job = stage.Jobmon.Start("parallel");
            using var one = job.Step("one");
            using var two = job.Step("two");
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => one.Increment(25), stage.Stop)));
            two.Complete();
            one.Complete();
            job.Complete();
        }),
        new("bodies as steps", async stage =>
        {
            using var job = stage.Jobmon.Start("bodies");
            stage.Note(await job.StepAsync("answers", (_, _) => Task.FromResult(42), stage.Stop));
            await job.StepAsync("ends itself", async (step, ct) =>
            {
                await step.WarnAsync("not quite", ct);
                return 0;
            }, stage.Stop);
            await stage.NoteThrowAsync(() => job.StepAsync<int>("throws", (_, _) => throw new InvalidOperationException("no"), stage.Stop));
            job.Complete();
        }),
    ];
}
