using BenchmarkDotNet.Attributes;

namespace OmniPg.Jobmon.Benchmarks;

/// <summary>What does a whole job cost around an empty body?</summary>
[MemoryDiagnoser]
public class JobBenchmarks
{
    private BenchmarkLog _log = null!;

    // Not async: the in-process run does not wait for an asynchronous setup.
    [GlobalSetup]
    public void Setup() => SetupAsync().GetAwaiter().GetResult();

    [GlobalCleanup]
    public void Cleanup() => CleanupAsync().GetAwaiter().GetResult();

    private async Task SetupAsync() => _log = await BenchmarkLog.StartAsync();

    private async Task CleanupAsync() => await _log.DisposeAsync();

    /// <summary>Floor: one round trip to the same server.</summary>
    [Benchmark(Baseline = true)]
    public Task<int> RoundTrip() => _log.ScalarAsync<int>("SELECT 1");

    [Benchmark]
    public void StartComplete()
    {
        using var job = _log.Jobmon.Start("benchmark");
        job.Complete();
    }

    [Benchmark]
    public Task RunAsync() => _log.Jobmon.RunAsync("benchmark", (_, _) => Task.CompletedTask);
}
