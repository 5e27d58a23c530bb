using OmniPg.Testing;

namespace OmniPg.Extractor.Tests;

/// <summary>A scratch directory with archives and trees.</summary>
internal sealed class ExtractionCase : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public SchemaExtractor Extractor { get; } = new();

    public string Path(string name) => System.IO.Path.Combine(_directory.Path, name);

    public void Dispose() => _directory.Dispose();

    public async Task<string> DumpAsync(PgCluster cluster, string database, string name = "all.dump", params string[] arguments)
    {
        await PgTools.DumpAsync(cluster, database, ["-Fc", "-f", Path(name), .. arguments]);
        return Path(name);
    }

    public Task<ExtractionReport> ExtractAsync(string archive, string tree, Action<ExtractionOptions>? configure = null) =>
        Extractor.FromArchive(archive).With(configure ?? (static _ => { })).ToDirectory(Path(tree))
            .RunAsync(cancellationToken: TestContext.Current.CancellationToken);

    /// <summary>All files of a tree with their content.</summary>
    public SortedDictionary<string, string> Content(string tree) => new(
        Directory.EnumerateFiles(Path(tree), "*", SearchOption.AllDirectories)
            .ToDictionary(file => System.IO.Path.GetRelativePath(Path(tree), file), File.ReadAllText), StringComparer.Ordinal);
}
