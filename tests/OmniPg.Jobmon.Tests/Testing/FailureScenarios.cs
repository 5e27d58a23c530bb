using Npgsql;

namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>Exceptions and cancellation.</summary>
internal static class FailureScenarios
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new("an exception leaves a using block", stage =>
        {
            stage.NoteThrow(() =>
            {
                using var job = stage.Jobmon.Start("load");
                using var step = job.Step("extract");
                foreach (var row in step.Each(Enumerable.Range(0, 3)))
                {
                    if (row == 2)
                        throw new InvalidOperationException("row 2 is bad");
                }

                step.Complete();
                job.Complete();
            });
            return Task.CompletedTask;
        }),
        new("an exception leaves a body", async stage =>
        {
            await stage.NoteThrowAsync(() => stage.Jobmon.RunAsync("in a step", async (job, ct) =>
            {
                await using var step = await job.StepAsync("extract", ct);
                throw new InvalidDataException("end of file");
            }, cancellationToken: stage.Stop));
            await stage.NoteThrowAsync(() => stage.Jobmon.RunAsync("in a body of a step", (job, ct) =>
                job.StepAsync<int>("extract", (_, _) => throw new InvalidDataException("end of file"), ct), cancellationToken: stage.Stop));
            await stage.NoteThrowAsync(() => stage.Jobmon.RunAsync("before a step", (_, _) => throw new TimeoutException("too slow"), cancellationToken: stage.Stop));
            stage.Note(await stage.Jobmon.RunAsync("fine", (_, _) => Task.FromResult(7), cancellationToken: stage.Stop));
        }),
        new("the same exception is recorded once", async stage =>
        {
            var error = new InvalidOperationException("once is enough", new ArgumentException("inner"));
            await using var job = await stage.Jobmon.StartAsync("careful", cancellationToken: stage.Stop);
            await using var step = await job.StepAsync("extract", stage.Stop);
            await step.FailAsync(error, stage.Stop);
            await job.FailAsync(error, AlertLevel.Warning, stage.Stop);
            await job.FailAsync("again", cancellationToken: stage.Stop);
        }),
        new("a failed run takes its open steps along", stage =>
        {
            using var job = stage.Jobmon.Start("breaks");
            job.Step("outer").Step("inner");
            job.Fail(new PostgresException("duplicate key", "ERROR", "ERROR", PostgresErrorCodes.UniqueViolation));
            return Task.CompletedTask;
        }),
        new("an exception that was handled is named when nobody completes", stage =>
        {
            using var job = stage.Jobmon.Start("swallows");
            try
            {
                throw new InvalidDataException("swallowed");
            }
            catch (InvalidDataException)
            {
            }

            return Task.CompletedTask;
        }),
        new("cancelled while a body runs", async stage =>
        {
            await stage.NoteThrowAsync(() => stage.Jobmon.RunAsync("patient", async (job, ct) =>
            {
                await using var step = await job.StepAsync("wait", CancellationToken.None);
                step.Report(1, 2);
                await stage.CancelAsync(job, ct);
                ct.ThrowIfCancellationRequested();
            }, cancellationToken: stage.Stop));
        }),
        new("cancelled with a level of its own, and completed all the same", async stage =>
        {
            using (var job = stage.Jobmon.Job("gives up").WhenCancelled(AlertLevel.Warning).Start())
            {
                job.Step("open");
                await stage.CancelAsync(job);
            }

            await stage.Jobmon.RunAsync("finishes first", async (job, _) => await stage.CancelAsync(job), cancellationToken: stage.Stop);
        }),
        new("cancelling what has ended or never was", async stage =>
        {
            using var job = stage.Jobmon.Start("ended");
            job.Complete();
            stage.Note(await stage.Jobmon.Admin.CancelAsync(job.JobId!.Value, cancellationToken: stage.Stop));
            stage.Note(await stage.Jobmon.Admin.CancelAsync(4711, cancellationToken: stage.Stop));
        }),
        new("a step fails for a reason that is no exception", async stage =>
        {
            using var job = stage.Jobmon.Start("reasons");
            job.Step("first").Fail("no file");
            await (await job.StepAsync("second", stage.Stop)).FailAsync("no folder", stage.Stop);
            job.Complete();
        }),
        new("a host stops while a using block is open", async stage =>
        {
            using var host = new CancellationTokenSource();
            await stage.NoteThrowAsync(async () =>
            {
                await using var job = await stage.Jobmon.Job("stopped").StopWith(host.Token).WhenCancelled(AlertLevel.Warning).StartAsync(stage.Stop);
                await using var step = await job.StepAsync("wait", stage.Stop);
                await host.CancelAsync();
                host.Token.ThrowIfCancellationRequested();
            });
            await stage.NoteThrowAsync(async () =>
            {
                await using var job = await stage.Jobmon.Job("breaks meanwhile").StopWith(host.Token).StartAsync(stage.Stop);
                throw new InvalidDataException("end of file");
            });
            using (var job = stage.Jobmon.Job("finishes").StopWith(host.Token).Start())
                job.Complete();
        }),
        new("cancelled by the caller", async stage =>
        {
            using var caller = new CancellationTokenSource();
            await stage.NoteThrowAsync(() => stage.Jobmon.RunAsync("called off", async (job, ct) =>
            {
                await caller.CancelAsync();
                ct.ThrowIfCancellationRequested();
            }, cancellationToken: caller.Token));
            await stage.NoteThrowAsync(() => stage.Jobmon.StartAsync("never begun", cancellationToken: caller.Token).AsTask());
            using var job = stage.Jobmon.Start("its steps");
            await stage.NoteThrowAsync(() => job.StepAsync("never begun", caller.Token).AsTask());
            await stage.NoteThrowAsync(() => job.CompleteAsync(cancellationToken: caller.Token).AsTask());
            job.Complete();
        }),
    ];
}
