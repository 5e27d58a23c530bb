using BenchmarkDotNet.Attributes;
using OmniPg.Testing;

namespace OmniPg.Extractor.Benchmarks;

/// <summary>A benchmark over a generated archive in a directory of its own.</summary>
[MemoryDiagnoser]
public abstract class ArchiveBenchmark : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    /// <summary>Path of the archive; set by the benchmark's setup.</summary>
    protected string ArchivePath { get; set; } = "";

    /// <summary>Where the archive is made.</summary>
    protected string DirectoryPath => _directory.Path;

    [GlobalCleanup]
    public void Dispose()
    {
        _directory.Dispose();
        GC.SuppressFinalize(this);
    }
}
