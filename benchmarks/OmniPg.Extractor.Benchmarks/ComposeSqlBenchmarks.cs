using BenchmarkDotNet.Attributes;

namespace OmniPg.Extractor.Benchmarks;

/// <summary>How long does it take to turn an archive into a script?</summary>
public class ComposeSqlBenchmarks : ArchiveBenchmark
{
    [Params(10_000, 100_000)]
    public int Entries { get; set; }

    [GlobalSetup]
    public void Setup() => ArchivePath = GeneratedArchive.WithEntries(DirectoryPath, Entries);

    [Benchmark(Baseline = true, Description = "pg_restore -f -")]
    public Task<long> Restore() => PgRestore.RunAsync("-f", "-", ArchivePath);

    [Benchmark(Description = "ComposeSqlAsync")]
    public async Task Compose()
    {
        await using var archive = await PgArchive.OpenAsync(ArchivePath);
        await archive.ComposeSqlAsync(Stream.Null);
    }
}
