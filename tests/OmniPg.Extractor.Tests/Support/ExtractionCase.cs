using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests;

/// <summary>A scratch directory with archives and trees.</summary>
internal sealed class ExtractionCase : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public SchemaExtractor Extractor { get; } = new(new ExtractorOptions { Tools = PgTools.Tools });

    public static SchemaExtractor With(string? binDirectory) =>
        new(new ExtractorOptions { Tools = new PgToolOptions { BinDirectory = binDirectory } });

    public string Path(string name) => System.IO.Path.Combine(_directory.Path, name);

    public void Dispose() => _directory.Dispose();

    public async Task<string> DumpAsync(PgCluster cluster, string database, string name = "all.dump", params string[] arguments)
    {
        await PgTools.DumpAsync(cluster, database, ["-Fc", "-f", Path(name), .. arguments]);
        return Path(name);
    }

    public Task<ExtractionResult> ExtractAsync(string archive, string tree, Action<ExtractionOptions>? configure = null) =>
        RunAsync(Extractor.FromArchive(archive), tree, configure);

    public Task<ExtractionResult> ExtractAsync(NpgsqlDataSource database, string tree, Action<ExtractionOptions>? configure = null) =>
        RunAsync(Extractor.From(database), tree, configure);

    public SchemaTree Tree(string tree) => Extractor.OpenTree(Path(tree));

    /// <summary>All files of a tree with their content.</summary>
    public SortedDictionary<string, string> Content(string tree) => Map(tree, File.ReadAllText);

    /// <summary>All files of a tree with the time of their last change.</summary>
    public SortedDictionary<string, DateTime> Times(string tree) => Map(tree, File.GetLastWriteTimeUtc);

    private SortedDictionary<string, T> Map<T>(string tree, Func<string, T> read) => new(
        Directory.EnumerateFiles(Path(tree), "*", SearchOption.AllDirectories)
            .Where(static file => !file.Contains("/.git/", StringComparison.Ordinal) && !file.Contains("/.svn/", StringComparison.Ordinal))
            .ToDictionary(file => System.IO.Path.GetRelativePath(Path(tree), file), read), StringComparer.Ordinal);

    private Task<ExtractionResult> RunAsync(Extractor.Extraction extraction, string tree, Action<ExtractionOptions>? configure)
    {
        var options = new ExtractionOptions();
        configure?.Invoke(options);
        return extraction.RunAsync(Path(tree), options, cancellationToken: TestContext.Current.CancellationToken);
    }
}
