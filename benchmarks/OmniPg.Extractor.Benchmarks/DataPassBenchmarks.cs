using BenchmarkDotNet.Attributes;

namespace OmniPg.Extractor.Benchmarks;

/// <summary>How fast do 128 MB of rows come out of an archive?</summary>
public class DataPassBenchmarks : ArchiveBenchmark
{
    private const int Megabytes = 128;
    private readonly byte[] _buffer = new byte[80 * 1024];

    [Params(ArchiveCompression.None, ArchiveCompression.Gzip, ArchiveCompression.Lz4, ArchiveCompression.Zstd)]
    public ArchiveCompression Compression { get; set; }

    [GlobalSetup]
    public void Setup() => ArchivePath = GeneratedArchive.WithRows(DirectoryPath, Compression, Megabytes);

    [Benchmark(Description = "read all rows")]
    public async Task<long> Read()
    {
        await using var archive = await PgArchive.OpenAsync(ArchivePath);
        var total = 0L;
        await foreach (var block in archive.ReadDataAsync())
        {
            await using var content = block.OpenRead();
            while (await content.ReadAsync(_buffer) is > 0 and var read)
                total += read;
        }
        return total;
    }
}
