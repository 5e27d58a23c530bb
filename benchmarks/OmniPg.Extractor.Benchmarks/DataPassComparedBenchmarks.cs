using BenchmarkDotNet.Attributes;

namespace OmniPg.Extractor.Benchmarks;

/// <summary>How fast does 128 MB of data get into a script, beside pg_restore? Only what pg_restore 15 reads: no compression and gzip.</summary>
public class DataPassComparedBenchmarks : ArchiveBenchmark
{
    [Params(ArchiveCompression.None, ArchiveCompression.Gzip)]
    public ArchiveCompression Compression { get; set; }

    [GlobalSetup]
    public void Setup() => ArchivePath = GeneratedArchive.WithRows(DirectoryPath, Compression, 128);

    [Benchmark(Baseline = true, Description = "pg_restore -f -")]
    public Task<long> Restore() => PgRestore.RunAsync("-f", "-", ArchivePath);

    [Benchmark(Description = "ComposeSqlAsync")]
    public async Task Compose()
    {
        await using var archive = await PgArchive.OpenAsync(ArchivePath);
        await archive.ComposeSqlAsync(Stream.Null);
    }
}
