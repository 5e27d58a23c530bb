using BenchmarkDotNet.Attributes;

namespace OmniPg.Extractor.Benchmarks;

/// <summary>How long does it take to know everything that is in an archive?</summary>
public class ParseTocBenchmarks : ArchiveBenchmark
{
    [Params(1_000, 10_000, 100_000)]
    public int Entries { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        ArchivePath = GeneratedArchive.WithEntries(DirectoryPath, Entries);
        Console.WriteLine($"// {Entries} entries: {new FileInfo(ArchivePath).Length} bytes");
    }

    [Benchmark(Baseline = true, Description = "pg_restore -l")]
    public Task<long> List() => PgRestore.RunAsync("-l", ArchivePath);

    [Benchmark(Description = "PgArchive.OpenAsync")]
    public async Task<int> Parse()
    {
        await using var archive = await PgArchive.OpenAsync(ArchivePath);
        return archive.Entries.Count;
    }
}
