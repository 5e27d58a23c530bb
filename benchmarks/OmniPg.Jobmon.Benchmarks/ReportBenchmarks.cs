using BenchmarkDotNet.Attributes;

namespace OmniPg.Jobmon.Benchmarks;

/// <summary>What does one progress report cost the loop that makes it, with the flusher at work?</summary>
[MemoryDiagnoser]
public class ReportBenchmarks
{
    private const int Calls = 1_000;
    private BenchmarkLog _log = null!;
    private IJob _job = null!;
    private IStep _step = null!;

    // Not async: the in-process run does not wait for an asynchronous setup.
    [GlobalSetup]
    public void Setup() => SetupAsync().GetAwaiter().GetResult();

    [GlobalCleanup]
    public void Cleanup() => CleanupAsync().GetAwaiter().GetResult();

    private async Task SetupAsync()
    {
        _log = await BenchmarkLog.StartAsync();
        _job = await _log.Jobmon.StartAsync("benchmark");
        _step = await _job.StepAsync("loop");
    }

    private async Task CleanupAsync()
    {
        _job.Complete();
        await _log.DisposeAsync();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Calls)]
    public void Report()
    {
        for (var i = 0; i < Calls; i++)
            _step.Report(i, Calls);
    }

    [Benchmark(OperationsPerInvoke = Calls)]
    public void Increment()
    {
        for (var i = 0; i < Calls; i++)
            _step.Increment();
    }
}
