using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>What a run carries besides its steps, and what becomes of odd texts.</summary>
internal static class ValueScenarios
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new("tags, arguments, results and counters", stage =>
        {
            using var job = stage.Jobmon.Job("import").Tag("daily").Tag("eu").Argument("day", "1").Argument("day", "2").Argument("file", "a.csv").Start();
            job.SetResult("checksum", "abc");
            job.SetResult("checksum", "def");
            job.Count("rows_in");
            job.Count("rows_in", 41);
            job.SetResult("was text", "x");
            job.Count("was text", 5);
            job.Count("was counter");
            job.SetResult("was counter", "y");
            job.Complete();
            return Task.CompletedTask;
        }),
        new("lines of log stand below their step", async stage =>
        {
            await using var job = await stage.Jobmon.StartAsync("talks", cancellationToken: stage.Stop);
            job.Log(LogLevel.Information, "begins");
            using (var step = job.Step("extract"))
            {
                job.Log(LogLevel.Warning, "odd row");
                using (var other = stage.Jobmon.Start("other"))
                {
                    job.Log(LogLevel.Debug, "beside another run");
                    other.Log(LogLevel.Error, "its own");
                    other.Complete();
                }

                step.Complete();
            }

            job.Log(LogLevel.Information, "ends");
            job.Complete();
        }),
        new("odd and long texts", stage =>
        {
            using var job = stage.Jobmon.Job("Robert'); DROP TABLE job_log;--").Tag("a\0b").Argument("k", "lone \ud800 half").Start();
            job.Step("line\nbreak \0 and 'quote' % \\ 🐘").Complete(new string('x', 70_000));
            job.Log(LogLevel.Information, "\0");
            job.SetResult("odd", "\udc00");
            job.Fail("ended by \0");
            return Task.CompletedTask;
        }),
        new("a filter sees every text", async stage =>
        {
            using var job = stage.Jobmon.Job("export secret").Tag("secret tag").Argument("key", "secret argument").Start();
            stage.Note(job.Name);
            using (var step = job.Step("send secret"))
            {
                step.Report(new StepProgress(1, 2, "secrets", "secret progress"));
                await job.FlushAsync(stage.Stop);
                await stage.LookAsync();
                step.Complete("secret message", "secret status");
            }

            job.SetResult("result", "secret result");
            job.Log(LogLevel.Information, "secret line");
            job.Fail("secret reason");
        })
        { MessageFilter = text => text.Replace("secret", "***", StringComparison.Ordinal) },
        new("a filter that fails lets nothing out", stage =>
        {
            using var job = stage.Jobmon.Start("export");
            job.Step("send").Complete("secret");
            job.Complete();
            return Task.CompletedTask;
        })
        { MessageFilter = text => text == "secret" ? throw new InvalidOperationException() : text },
    ];
}
