using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OmniPg.Jobmon.Benchmarks;

/// <summary>Counts that are no times: write batches of ten million reports, bytes per run. A test counts the statements of an idle job.</summary>
internal static class Facts
{
    public static async Task<int> RunAsync()
    {
        await using var log = await BenchmarkLog.StartAsync();
        await ReportsAsync(log);
        await BytesAsync(log);
        return 0;
    }

    private static async Task ReportsAsync(BenchmarkLog log)
    {
        var batches = 0;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name == "omnipg.jobmon.write.duration")
                l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) =>
        {
            foreach (var tag in tags)
                batches += tag is { Key: "operation", Value: "progress" } ? 1 : 0;
        });
        listener.Start();
        var job = await log.Jobmon.StartAsync("ten million");
        var step = await job.StepAsync("loop");
        var clock = Stopwatch.StartNew();
        for (var i = 1; i <= 10_000_000; i++)
        {
            step.Report(i, 10_000_000);
            // Real rows take time: spread the reports over some seconds.
            if (i % 1_000 == 0)
                Thread.SpinWait(20_000);
        }

        var elapsed = clock.Elapsed;
        await step.CompleteAsync();
        await job.CompleteAsync();
        Console.WriteLine($"10,000,000 reports in {elapsed.TotalSeconds:0.0} s: {batches} update batches (limit: elapsed seconds + 2)");
    }

    private static async Task BytesAsync(BenchmarkLog log)
    {
        const string Size =
            """
            SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('jobmon', 'omnipg_jobmon') AND c.relkind = 'r'
            """;
        const int Runs = 2_000;
        var before = await log.ScalarAsync<long>(Size);
        for (var i = 0; i < Runs; i++)
        {
            var job = await log.Jobmon.StartAsync("nightly orders load");
            var step = await job.StepAsync("step 1");
            for (var n = 2; n <= 5; n++)
                step = await step.NextAsync($"step {n}", "Rows affected: 12345");
            await step.CompleteAsync("Rows affected: 12345");
            await job.CompleteAsync();
        }

        var after = await log.ScalarAsync<long>(Size);
        Console.WriteLine($"Run with 5 steps: {(after - before) / (double)Runs:0} bytes in tables and indexes, side tables included");
    }
}
