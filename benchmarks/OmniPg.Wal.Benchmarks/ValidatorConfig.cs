using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace OmniPg.Wal.Benchmarks;

/// <summary>In one process, so that the server makes its WAL once for all cases.</summary>
internal sealed class ValidatorConfig : ManualConfig
{
    public ValidatorConfig()
    {
        AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(3).WithIterationCount(10));
        AddDiagnoser(MemoryDiagnoser.Default);
        AddColumn(new ValidatorThroughputColumn());
    }
}
