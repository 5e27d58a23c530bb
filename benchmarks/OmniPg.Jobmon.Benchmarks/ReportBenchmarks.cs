using BenchmarkDotNet.Attributes;
using Npgsql;

namespace OmniPg.Jobmon.Benchmarks;

/// <summary>What does one progress report cost the loop that makes it, with the flusher at work?</summary>
[MemoryDiagnoser]
public class ReportBenchmarks
{
    private const int Calls = 1_000;
    private BenchmarkLog _log = null!;
    private NpgsqlConnection _caller = null!;
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
        _caller = await _log.DataSource.OpenConnectionAsync();
        _job = await _log.Jobmon.StartAsync("benchmark");
        _step = await _job.StepAsync("loop");
    }

    private async Task CleanupAsync()
    {
        _job.Complete();
        await _caller.DisposeAsync();
        await _log.DisposeAsync();
    }

    /// <summary>What console-like progress does elsewhere: one statement for each change.</summary>
    [Benchmark(Baseline = true)]
    public async Task WritePerChange()
    {
        await using var update = new NpgsqlCommand("UPDATE jobmon.job_detail SET message = $2, status = 'PENDING' WHERE step_id = $1", _caller)
        {
            Parameters = { new NpgsqlParameter<long> { TypedValue = _step.StepId!.Value }, new NpgsqlParameter<string> { TypedValue = "500 of 1,000" } },
        };
        await update.ExecuteNonQueryAsync();
    }

    [Benchmark(OperationsPerInvoke = Calls)]
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
