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
        new("captured lines stand below their step", async stage =>
        {
            var log = stage.Loggers.CreateLogger("Etl.Orders");
            log.LogInformation("before any run");
            await stage.Jobmon.RunAsync("captured", async (job, ct) =>
            {
                log.LogInformation("begins with {Count} files", 3);
                log.LogDebug("too fine");
                stage.Loggers.CreateLogger("Npgsql.Command").LogWarning("of the driver");
                await job.StepAsync("extract", (_, _) =>
                {
                    log.LogError(new InvalidTimeZoneException("bad"), "row {Row} is odd", 7);
                    job.Log(LogLevel.Trace, "between");
                    return Task.FromResult(0);
                }, ct);
                await stage.Jobmon.RunAsync("child", (_, _) =>
                {
                    log.LogCritical("in the child");
                    return Task.CompletedTask;
                }, cancellationToken: ct);
                job.Complete();
                log.LogWarning("after the end");
                job.Log(LogLevel.Warning, "by the run after its end");
            }, cancellationToken: stage.Stop);
            log.LogInformation("after all runs");
        }),
        new("lines beyond the limit are counted", stage =>
        {
            var log = stage.Loggers.CreateLogger("Etl.Orders");
            using var job = stage.Jobmon.Start("talks");
            for (var i = 0; i < 3; i++)
            {
                job.Log(LogLevel.Information, $"line {i}");
                log.LogInformation("captured line {I}", i);
            }

            job.Fail("too much");
            using var other = stage.Jobmon.Start("terse");
            other.Log(LogLevel.Information, "the only line");
            other.Complete();
            return Task.CompletedTask;
        })
        { MaxLogLines = 3 },
        new("no lines at all", stage =>
        {
            using var job = stage.Jobmon.Start("mute");
            job.Log(LogLevel.Information, "line");
            job.Complete();
            return Task.CompletedTask;
        })
        { MaxLogLines = 0 },
        new("lines of runs that are kept back", stage =>
        {
            using var good = stage.Jobmon.Job("good").ErrorsOnly().Start();
            stage.Loggers.CreateLogger("Etl").LogInformation("for nobody");
            good.Complete();
            using var bad = stage.Jobmon.Job("bad").ErrorsOnly().Start();
            using (var step = bad.Step("load"))
            {
                stage.Loggers.CreateLogger("Etl").LogInformation("worth it");
                step.Complete();
            }

            bad.Fail("no");
            return Task.CompletedTask;
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
            stage.Loggers.CreateLogger("Etl.secret").LogInformation(new InvalidTimeZoneException("secret cause"), "secret captured");
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
