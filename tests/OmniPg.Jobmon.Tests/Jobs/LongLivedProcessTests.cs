using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

/// <summary>Tests that count what the whole process keeps: nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(LongLivedProcessTests), DisableParallelization = true)]
public sealed class LongLivedProcess;

/// <summary>A process that lives for months: what a run leaves behind in memory would add up.</summary>
[Collection(nameof(LongLivedProcessTests))]
public sealed class LongLivedProcessTests(PgClusterFixture server)
{
    private const int Kinds = 8;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Thousands_of_runs_of_every_kind_leave_nothing_behind()
    {
        const int Rounds = 300;
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { FlushInterval = TimeSpan.FromMilliseconds(50) });
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var handles = new List<WeakReference>();
        await RoundsAsync(jobmon, 50, handles, stopping.Token);
        handles.Clear();
        handles.Capacity = Rounds * Kinds * 8;
        var before = GC.GetTotalMemory(forceFullCollection: true);

        await RoundsAsync(jobmon, Rounds, handles, stopping.Token);
        await Eventually.TrueAsync(() => Alive(handles) == 0, $"of {handles.Count} runs and steps none is referenced any more", cancellationToken: Stop);
        var kept = GC.GetTotalMemory(forceFullCollection: true) - before - (handles.Count * 24L);

        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE end_time IS NULL")).Should().Be(0);
        handles.Should().HaveCountGreaterThan(Rounds * Kinds * 2);
        (kept / (Rounds * Kinds)).Should().BeLessThan(200, "bytes of each run that stay");
    }

    [Fact]
    public async Task Steps_that_begin_before_the_one_ahead_ends_form_no_chain()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        await using var job = await jobmon.StartAsync("hand over hand", cancellationToken: Stop);
        var handles = new List<WeakReference>();

        // In this very frame: the flow is the one of the loop that never ends.
        var step = job.Step("0");
        for (var i = 1; i < 200; i++)
        {
            var next = job.Step($"{i}");
            step.Complete();
            handles.Add(new WeakReference(((StepRun)step).Row));
            step = next;
        }

        Alive(handles).Should().BeLessThan(5);
        step.Complete();
        await job.CompleteAsync(cancellationToken: Stop);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Alive(List<WeakReference> handles)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return handles.Count(h => h.IsAlive);
    }

    private static async Task RoundsAsync(JobmonClient jobmon, int rounds, List<WeakReference> handles, CancellationToken stopping)
    {
        for (var round = 0; round < rounds; round++)
        {
            for (var kind = 0; kind < Kinds; kind++)
                await RunAsync(jobmon, kind, handles, stopping);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Task RunAsync(JobmonClient jobmon, int kind, List<WeakReference> handles, CancellationToken stopping) => kind switch
    {
        0 => jobmon.Job("body").Tag("daily").RunAsync((job, ct) => StepsAsync(Seen(job, handles), handles, ct), stopping),
        1 => Quietly(jobmon.Job("throws").RunAsync((job, _) => Task.FromException(new InvalidDataException(Seen(job, handles).Name)), stopping)),
        2 => SingleAsync(jobmon, handles, stopping),
        3 => jobmon.Job("quiet").ErrorsOnly(TimeSpan.FromHours(1)).RunAsync((job, ct) => StepsAsync(Seen(job, handles), handles, ct), stopping),
        4 => Task.Run(() => Synchronous(jobmon, handles), stopping),
        5 => jobmon.RunSqlAsync("sql", "SELECT 1", cancellationToken: stopping),
        6 => Quietly(CancelledAsync(jobmon, handles, stopping)),
        _ => NestedAsync(jobmon, handles, stopping),
    };

    private static async Task StepsAsync(IJob job, List<WeakReference> handles, CancellationToken cancellation)
    {
        job.Log(LogLevel.Information, "begins");
        await using var step = Seen(await job.StepAsync("load", cancellation), handles);
        await using (var part = Seen(await step.StepAsync("part", cancellation), handles))
        {
            part.Report(1, 2, "half");
            await part.WarnAsync("one row was skipped", cancellation);
        }

        var next = Seen(await step.NextAsync("check", "loaded", cancellation), handles);
        next.Increment();
        await job.StepAsync("body", (inner, _) => Task.FromResult(Seen(inner, handles).Action), cancellation);
        job.Count("rows");
        job.SetResult("file", "orders.csv");
    }

    private static async Task SingleAsync(JobmonClient jobmon, List<WeakReference> handles, CancellationToken stopping)
    {
        await using var first = Seen(await jobmon.Job("single").SingleInstance().StartAsync(stopping), handles);
        await using var second = Seen(await jobmon.Job("single").SingleInstance().StartAsync(stopping), handles);
        (first.Acquired, second.Acquired).Should().Be((true, false));
        await first.CompleteAsync(cancellationToken: stopping);
    }

    private static void Synchronous(JobmonClient jobmon, List<WeakReference> handles)
    {
        using var job = Seen(jobmon.Start("sync"), handles);
        Seen(job.Step("forgotten"), handles).Report(1);
        Seen(job.Step("failed"), handles).Fail(new InvalidDataException("no luck"));
    }

    private static async Task CancelledAsync(JobmonClient jobmon, List<WeakReference> handles, CancellationToken stopping)
    {
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        await jobmon.Job("cancelled").RunAsync(
            async (job, ct) =>
            {
                Seen(job, handles);
                await caller.CancelAsync();
                ct.ThrowIfCancellationRequested();
            },
            caller.Token);
    }

    private static async Task NestedAsync(JobmonClient jobmon, List<WeakReference> handles, CancellationToken stopping)
    {
        await using var outer = Seen(await jobmon.StartAsync("outer", cancellationToken: stopping), handles);
        await jobmon.RunAsync("inner", (job, ct) => StepsAsync(Seen(job, handles), handles, ct), cancellationToken: stopping);
        await outer.FailAsync("on purpose", cancellationToken: stopping);
    }

    private static async Task Quietly(Task work) => await work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private static T Seen<T>(T handle, List<WeakReference> handles)
        where T : class
    {
        lock (handles)
            handles.Add(new WeakReference(handle));
        return handle;
    }
}
